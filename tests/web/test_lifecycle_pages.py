"""From a draft to the archive by clicking: the checklist, each step, and what is refused."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.web.apps import create_console_app
from tests.signing_in import signed_in

KEY = "checkout-offers"
PAGE = f"/experiments/{KEY}/setup/launch"
STEPS = f"/experiments/{KEY}/setup/steps"


def checks(page: str) -> dict[str, bool]:
    found = re.findall(r'<li class="(passed|open)" data-check="([^"]+)"', page)
    return {name: state == "passed" for state, name in found}


def state(deployment: Any) -> str:
    return str(deployment.platform.experiments.get(KEY).state)


def ingest(deployment: Any) -> None:
    Ingest(deployment.platform.database, deployment.settings.journal_dir).run_once()


def tried(deployment: Any) -> None:
    """A test decision and a test event, as a shop sends them."""
    decision_id = deployment.decide().json["decision_id"]
    deployment.events({"event_id": "e", "decision_id": decision_id, "type": "accept"})
    ingest(deployment)


def test_a_fresh_draft_shows_what_is_open(draft: Any, team: Any) -> None:
    page = team.get(PAGE).text
    assert checks(page) == {
        "arms": True,
        "reward": True,
        "money": False,
        "floors": True,
        "holdout": True,
        "key": True,
        "test-decision": False,
        "test-event": False,
    }
    assert "3 of 8 open" in page
    assert "disabled" in page


def settled(spec_text: str, currency: str = "GBP", only: str = '"purchase"') -> str:
    """The definition with what the checklist asks for where amounts are worth something."""
    declared = f'[reward]\ncurrency = "{currency}"\n' if currency else "[reward]\n"
    return spec_text.replace("[reward]\n", declared) + f"\n[events]\nsecret_only = [{only}]\n"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (("", '"purchase"'), ["No currency is declared", "Declare reward.currency"]),
        (("GBP", ""), ["publishable key can report amounts of: purchase", "events.secret_only"]),
        (("", '"accept"'), ["Declare reward.currency", "events.secret_only"]),
    ],
)
def test_money_needs_a_currency_and_the_word_of_servers(
    deployment: Any, team: Any, spec_text: str, declared: tuple[str, str], said: list[str]
) -> None:
    deployment.platform.apply_experiment(parse_toml(settled(spec_text, *declared)))
    page = team.get(PAGE).text
    assert not checks(page)["money"]
    assert all(words in page for words in said)
    deployment.platform.apply_experiment(parse_toml(settled(spec_text)))
    assert checks(team.get(PAGE).text)["money"]


def test_where_no_amount_counts_nothing_is_asked_about_money(
    deployment: Any, team: Any, spec_text: str
) -> None:
    deployment.platform.apply_experiment(parse_toml(spec_text.replace("0.01", "0")))
    assert "money" not in checks(team.get(PAGE).text)


@pytest.mark.parametrize(
    ("floor", "said"),
    [
        ("0.1", ["weigh as much as 30 others", "nothing = 0.04, offers = 0.02"]),
        (
            "0.01",
            ["weigh as much as 300 others", "160,000 decisions, and about 10,000 at 4 %"],
        ),
        ("{ nothing = 0.01, offers = 0.3 }", ["as 100 others", "about 45,000 decisions"]),
        ("0.3", []),
        ("{ nothing = 0.04, offers = 0.02 }", []),
    ],
)
def test_a_floor_that_leaves_nothing_little_is_warned_of(
    deployment: Any, team: Any, spec_text: str, floor: str, said: list[str]
) -> None:
    text = spec_text.replace("floor = 0.1", f"floor = {floor}")
    deployment.platform.apply_experiment(parse_toml(text))
    page = html.unescape(team.get(PAGE).text)
    assert checks(page)["floors"]
    assert ("A decision with the arm nothing can weigh" in page) == bool(said)
    for words in said:
        assert words in page


def test_a_test_decision_and_event_settle_the_rest(draft: Any, team: Any, spec_text: str) -> None:
    draft.platform.apply_experiment(parse_toml(settled(spec_text)))
    tried(draft)
    page = team.get(PAGE).text
    assert all(checks(page).values())
    assert "everything is settled" in page
    assert "Shoppers outside the holdout get an arm" in team.get(f"{STEPS}/start").text
    assert team.post(f"{STEPS}/start").status_code == 303
    assert state(draft) == "running"
    report = draft.platform.report(KEY)
    assert (report.counts.events, report.counts.interactions, report.counts.immature) == (0, 0, 0)


def test_what_is_not_stated_or_worthless_blocks(deployment: Any, team: Any, spec_text: str) -> None:
    text = spec_text.replace("[holdout]\nshare = 0.1", "")
    text = re.sub(r"(accept|dismiss) = \S+", r"\1 = 0", text).replace("0.01", "0")
    text = text.replace("[[arms]]", "[[arms]]\nends_at = 2020-01-01T00:00:00Z")
    deployment.platform.apply_experiment(parse_toml(text))
    for each in deployment.platform.keys.all():
        deployment.platform.keys.revoke(each.key.key_id)
    assert [name for name, passed in checks(team.get(PAGE).text).items() if passed] == ["floors"]


def test_a_range_that_always_cuts_an_outcome_is_told_before_it_is_locked(
    deployment: Any, team: Any, spec_text: str
) -> None:
    text = re.sub(r"range = \[.*\]", "range = [0.0, 0.1]", spec_text)
    text = re.sub(r"dismiss = \S+", "dismiss = 0.1", text)
    deployment.platform.apply_experiment(parse_toml(text))
    page = team.get(PAGE).text
    assert checks(page)["reward"]
    assert "The range, 0 to 0.1, is too small for accept (1)" in page
    assert "dismiss (" not in page


def test_a_range_that_holds_every_outcome_is_not_spoken_of(draft: Any, team: Any) -> None:
    assert "is too small for" not in team.get(PAGE).text


def test_starting_with_blockers_is_refused_here_and_possible_elsewhere(
    draft: Any, team: Any
) -> None:
    answer = team.post(f"{STEPS}/start")
    assert answer.status_code == 409
    assert "3 checks are open (currency declared" in answer.text
    assert "a test decision seen; a test event seen)" in answer.text
    assert state(draft) == "draft"
    headers = {"Authorization": f"Bearer {draft.admin_key}"}
    client = draft.console.test_client()
    assert client.post(f"/v1/experiments/{KEY}/start", headers=headers).status_code == 200
    assert state(draft) == "running"


def test_a_whole_life(running: Any, team: Any) -> None:
    assert "Pause" in team.get(PAGE).text
    for action, reached in (
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("archive", "archived"),
    ):
        assert team.post(f"{STEPS}/{action}").status_code == 303
        assert state(running) == reached
        assert reached.capitalize() in team.get(PAGE).text
    assert "No further step is possible" in team.get(PAGE).text


def test_what_cannot_be_undone_asks_first(running: Any, team: Any) -> None:
    page = team.get(PAGE).text
    assert f'href="{STEPS}/stop"' in page
    assert f'action="{STEPS}/pause"' in page
    asked = team.get(f"{STEPS}/stop").text
    assert "This cannot be undone" in asked
    assert ">Cancel</a>" in asked
    assert state(running) == "running"


@pytest.mark.parametrize("action", ["resume", "archive", "start"])
def test_a_step_that_is_not_possible_is_told(running: Any, team: Any, action: str) -> None:
    for answer in (team.get(f"{STEPS}/{action}"), team.post(f"{STEPS}/{action}")):
        assert answer.status_code == 409
        assert "is not possible any more" in answer.text
    assert team.get(f"{STEPS}/explode").status_code == 404
    assert state(running) == "running"


def test_who_did_it_is_in_the_audit_log(running: Any, team: Any) -> None:
    from bandit_platform.storage.audit_log import entries  # noqa: PLC0415 - only here

    team.post(f"{STEPS}/pause")
    with running.platform.database.read() as connection:
        newest = entries(connection, subject=f"experiment:{KEY}")[0]
    assert (newest.what, newest.by.name) == ("experiment.paused", "experimenter")


@pytest.fixture
def served(draft: Any) -> Iterator[Any]:
    """The draft's service on a real port, and a console that knows where it is."""
    server = make_server("127.0.0.1", 0, draft.shop, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    settings = replace(draft.settings, port=server.server_port)
    draft.console = create_console_app(draft.platform, settings)
    yield draft
    server.shutdown()
    thread.join()
    server.server_close()


def test_trying_it_goes_over_http_with_the_shops_key(served: Any) -> None:
    team = signed_in(served.console, served.platform, Role.EXPERIMENTER)
    path = f"/experiments/{KEY}/setup/try"
    answer = team.post(path, data={"shop_key": served.server_key, "try-cart_value": "20"})
    assert answer.status_code == 200
    assert "with reason draft" in answer.text
    assert served.server_key not in answer.text
    ingest(served)
    found = checks(team.get(PAGE).text)
    assert all(found[name] for name in ("key", "test-decision", "test-event"))
    for key, told in (
        ("nonsense", "not the text of a key"),
        ("sk_" + "0" * 16 + "_" + "A" * 43, "refused"),
    ):
        refused = team.post(path, data={"shop_key": key})
        assert refused.status_code == 422
        assert told in refused.text
        assert key not in refused.text
    wrong = team.post(path, data={"shop_key": served.server_key, "try-cart_value": "much"})
    assert "refused the decision" in wrong.text
    served.platform.change_state(KEY, Action.START)
    served.serving.registry.refresh()
    before = served.journal()
    assert team.post(path, data={"shop_key": served.server_key}).status_code == 409
    assert served.journal() == before


def test_a_service_that_is_not_there_is_told(draft: Any, team: Any) -> None:
    settings = replace(draft.settings, port=9)
    console = create_console_app(draft.platform, settings)
    team = signed_in(console, draft.platform, Role.EXPERIMENTER)
    answer = team.post(f"/experiments/{KEY}/setup/try", data={"shop_key": draft.server_key})
    assert answer.status_code == 422
    assert "did not answer" in answer.text


def test_the_plan_from_guesses(draft: Any, team: Any) -> None:
    path = f"/experiments/{KEY}/setup/plan"
    assert "Say below how often" in team.get(path).text
    typed = {"source": "guess", "per_day": "1000", "share-accept": "10", "uplifts": "0.1, 0.3"}
    page = team.get(path, query_string=typed).text
    cell = r'<td class="num"[^>]*><span>about ([\d,]+)</span>'
    rows = re.findall(r'<th scope="row">(\+[\d.]+)</th>' + cell, page)
    assert [uplift for uplift, _ in rows] == ["+0.1", "+0.3"]
    many, few = (int(count.replace(",", "")) for _, count in rows)
    assert many > 2 * few > 800
    assert "about" in page
    for wrong, told in (
        ({"share-accept": "lots"}, "must be a number"),
        ({"share-accept": "150"}, "from 0 to 100"),
        ({"uplifts": "0"}, "above 0"),
        ({"share-accept": "0"}, "the same reward"),
        ({"per_day": "-1"}, "at least 0"),
    ):
        page = team.get(path, query_string={**typed, **wrong}).text
        assert told in page, wrong
        assert 'id="plan"' not in page
