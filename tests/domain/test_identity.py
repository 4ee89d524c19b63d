from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit_platform.domain.assignment import draw_seed, in_holdout
from bandit_platform.domain.identity import (
    DecisionHashes,
    belongs_to,
    decision_id_for,
    is_genuine,
    issued_at,
    new_decision_id,
    page_pseudonym,
    pseudonym,
    request_hash,
    session_pseudonym,
)

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
OTHER = b"another secret of at least 32 bytes!"


@pytest.fixture(params=["fresh", "by request key", "by request key of a page"])
def decision_id(request: pytest.FixtureRequest, secret: bytes) -> str:
    if request.param == "fresh":
        return new_decision_id(secret, "e", NOW)
    unit = "u" if request.param == "by request key of a page" else None
    return decision_id_for(secret, "e", "order-1", unit)


def test_an_id_says_when_it_was_made_unless_it_follows_from_a_request_key(
    decision_id: str, secret: bytes
) -> None:
    fresh = new_decision_id(secret, "e", NOW)
    assert issued_at(fresh) == NOW
    if decision_id[:12] != fresh[:12]:
        assert issued_at(decision_id) is None
    assert issued_at("f0" * 24) is None  # a request key's, of a version that marked none


def test_issued_ids_are_genuine_and_only_here(decision_id: str, secret: bytes) -> None:
    assert len(decision_id) == 48
    assert is_genuine(secret, decision_id)
    assert not is_genuine(OTHER, decision_id)


def test_an_id_with_any_character_changed_is_refused(decision_id: str, secret: bytes) -> None:
    for place, character in enumerate(decision_id):
        for other in "0123456789abcdefABCDEF" + "é \x00":
            if other != character:
                forged = decision_id[:place] + other + decision_id[place + 1 :]
                assert not is_genuine(secret, forged), (place, other)


def test_an_id_shortened_lengthened_or_rearranged_is_refused(
    decision_id: str, secret: bytes
) -> None:
    forged = [decision_id[:cut] for cut in range(48)]
    forged += [decision_id + "0", decision_id + "\n", " " + decision_id, decision_id.upper()]
    forged += [decision_id[16:] + decision_id[:16], decision_id[::-1], decision_id * 2]
    assert not any(is_genuine(secret, each) for each in forged if each != decision_id)


@given(st.one_of(st.text(), st.text(min_size=48, max_size=48)))
@example("\ud800" * 48)
def test_any_text_is_told_from_an_id_without_a_crash(text: str) -> None:
    assert not is_genuine(OTHER, text)


def test_fresh_ids_differ_and_sort_by_time(secret: bytes) -> None:
    same_moment = {new_decision_id(secret, "e", NOW) for _ in range(1000)}
    assert len(same_moment) == 1000
    later = new_decision_id(secret, "e", NOW + timedelta(milliseconds=1))
    assert later > max(same_moment)


def test_a_request_key_always_leads_to_the_same_id_of_its_experiment(secret: bytes) -> None:
    first = decision_id_for(secret, "e", "order-1")
    assert first == decision_id_for(secret, "e", "order-1")
    assert first != decision_id_for(secret, "e", "order-2")
    assert first != decision_id_for(secret, "f", "order-1")
    assert first != decision_id_for(OTHER, "e", "order-1")


def test_a_page_has_request_keys_of_its_own_for_each_unit(secret: bytes) -> None:
    page = decision_id_for(secret, "e", "order-1", "u")
    assert page == decision_id_for(secret, "e", "order-1", "u")
    others = [("e", "order-1", "v"), ("e", "order-2", "u"), ("f", "order-1", "u")]
    trusted = [("e", "order-1", None), ("e", "u", None), ("u", "order-1", None)]
    assert page not in {decision_id_for(secret, *each) for each in [*others, *trusted]}


def test_a_request_key_is_stored_as_a_keyed_hash(secret: bytes) -> None:
    stored = request_hash(secret, "e", "order-1")
    assert len(stored) == 32
    assert stored == request_hash(secret, "e", "order-1")
    assert stored != request_hash(secret, "f", "order-1")
    assert stored != request_hash(OTHER, "e", "order-1")


@pytest.mark.parametrize("pseudonym_of", [pseudonym, session_pseudonym, page_pseudonym])
def test_a_pseudonym_neither_shows_nor_shares_what_it_names(
    secret: bytes, pseudonym_of: Callable[[bytes, str], str]
) -> None:
    name = pseudonym_of(secret, "ada@example.com")
    assert name == pseudonym_of(secret, "ada@example.com")
    assert len(name) == 32
    assert name != pseudonym_of(OTHER, "ada@example.com")
    assert name != pseudonym_of(secret, "ada@example.con")
    assert "ada" not in name
    assert b"ada" not in bytes.fromhex(name)


def test_units_sessions_and_pages_of_one_id_cannot_be_linked(secret: bytes) -> None:
    names = {each(secret, "a-1") for each in (pseudonym, session_pseudonym, page_pseudonym)}
    assert len(names) == 3


def test_an_id_tells_for_which_experiment_it_was_issued(secret: bytes) -> None:
    for issued in (new_decision_id(secret, "e", NOW), decision_id_for(secret, "e", "order-1")):
        assert belongs_to(secret, issued, ["e"])
        assert belongs_to(secret, issued, ["another", "e"])
        assert not belongs_to(secret, issued, ["another"])
        assert not belongs_to(secret, issued, [])
        assert not belongs_to(OTHER, issued, ["e"])


@given(unit=st.text(), share=st.floats(0, 1))
@example(unit="u", share=0.3)
def test_the_hashes_that_decisions_use_are_those_that_an_audit_recomputes(
    unit: str, share: float
) -> None:
    unit = unit.encode(errors="replace").decode()
    hashes = DecisionHashes(OTHER, "e")
    assert hashes.pseudonym(unit) == pseudonym(OTHER, unit)
    assert hashes.in_holdout(unit, share) == in_holdout(OTHER, "e", unit, share)
    issued = hashes.new_decision_id(NOW)
    assert is_genuine(OTHER, issued)
    assert belongs_to(OTHER, issued, {"e"})
    assert hashes.draw_seed(issued) == draw_seed(OTHER, "e", issued)
