from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import AuditEntry
from bandit_platform.domain.revision import Change
from dashboards.settings.audit_lines import audit_lines

ANNA = Actor(kind="user", name="anna")


def line(what: str, subject: str, *difference: Change, by: Actor = ANNA) -> Any:
    entry = AuditEntry(
        number=1,
        at=datetime(2026, 11, 22, 10, tzinfo=UTC),
        by=by,
        what=what,
        subject=subject,
        difference=difference,
    )
    (told,) = audit_lines([entry], "Europe/Paris")
    return told


def test_an_entry_reads_as_a_sentence() -> None:
    told = line("experiment.paused", "experiment:checkout-offers")
    assert (told.who, told.act, told.subject) == (
        "anna",
        "paused the experiment",
        "checkout-offers",
    )
    assert told.when == "22 Nov 2026, 11:00 CET"


def test_what_people_do_to_themselves_names_them_once() -> None:
    assert line("user.signed-in", "user:anna").subject == ""
    assert line("user.disabled", "user:ben").subject == "ben"


def test_unknown_names_and_units_stay_unknown() -> None:
    assert line("user.sign-in-refused", "user:?", by=PLATFORM).subject == "an unknown name"
    assert line("user.link-made", "user:?", by=PLATFORM).subject == "the first administrator"
    assert line("unit.forgotten", "unit:?").subject == ""


def test_an_act_of_a_later_version_is_still_told() -> None:
    assert line("question.asked", "question:7").act == "question.asked"


def test_differences_are_texts_and_long_ones_are_cut() -> None:
    told = line(
        "experiment.changed",
        "experiment:x",
        Change(path="holdout.share", before=0.1, after=None),
        Change(path="arms", before=None, after=["ü"]),
        Change(path="hypothesis", before="a", after="b" * 500),
    )
    removed, added, long = told.difference
    assert (removed.before, removed.after) == ("0.1", "")
    assert (added.before, added.after) == ("", '["ü"]')
    assert len(long.after) == 160
    assert long.after.endswith("…")
