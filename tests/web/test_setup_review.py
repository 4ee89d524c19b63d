"""Changing what is stored: reviewed, refused, never overwritten; and trying what is not."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from tests.signing_in import signed_in
from tests.web.setup_forms import KEY, PAGE, form_of, sends, stored


def test_a_started_experiment_is_reviewed_before_it_changes(running: Any, team: Any) -> None:
    page = team.get(PAGE).text
    assert "Locked since the start" in page
    assert re.search(r'<input id="key"[^>]* readonly', page)
    form = form_of(page)
    assert "placement" not in form
    assert "reward-window" not in form
    answer = team.post(PAGE, data={**form, "do": "save", "owner": "growth", "policy-floor": "0.2"})
    assert answer.status_code == 200
    assert stored(running).revision == 1
    assert 'data-path="policy.floor"' in answer.text
    assert "starts a new revision" in answer.text
    assert "nobody is shown anything else" in answer.text
    carried = dict(re.findall(r'name="(spec|based_on)" value="([^"]*)"', answer.text))
    carried = {name: unescape(value) for name, value in carried.items()}
    back = team.post(PAGE, data={**carried, "do": "edit"})
    assert form_of(back.text)["policy-floor"] == "0.2"
    saved = team.post(PAGE, data={**carried, "do": "confirm"})
    assert saved.location.endswith("saved=2")
    assert stored(running).spec.policy.floor == 0.2
    assert stored(running).spec.reward.window.total_seconds() == 3600


def test_a_locked_change_is_shown_and_refused(running: Any, team: Any, spec_text: str) -> None:
    answer = sends(team, PAGE, toml=spec_text.replace("accept = 1.0", "accept = 0.5"))
    assert "cannot be saved" in answer.text
    assert "rewards already counted would mean something else" in answer.text
    assert 'value="confirm"' not in answer.text
    changed = parse_toml(spec_text.replace("accept = 1.0", "accept = 0.5"))
    forced = team.post(PAGE, data={"spec": changed.to_json(), "based_on": "1", "do": "confirm"})
    assert forced.status_code == 409
    assert stored(running).revision == 1


def test_what_keeps_strangers_out_of_rewards_may_change_after_the_start(
    running: Any, team: Any
) -> None:
    form = form_of(team.get(PAGE).text)
    assert form["reward-currency"] == form["events-secret_only"] == ""
    tightened = {"reward-currency": "GBP", "events-secret_only": "purchase"}
    answer = team.post(PAGE, data={**form, "do": "save", **tightened})
    assert "Final rewards do not change." in answer.text
    assert answer.text.count("applies to rewards that become final from now on") == 2
    assert "Decisions are made as before" in answer.text
    assert stored(running).revision == 1
    carried = dict(re.findall(r'name="(spec|based_on)" value="([^"]*)"', answer.text))
    carried = {name: unescape(value) for name, value in carried.items()}
    assert team.post(PAGE, data={**carried, "do": "confirm"}).status_code == 303
    assert stored(running).spec.reward.currency == "GBP"
    assert stored(running).spec.events.secret_only == ("purchase",)
    noted = team.get(f"/experiments/{KEY}/history").text
    assert "reward.currency" in noted
    assert "events.secret_only" in noted
    # now that it is declared it is locked, and what only servers may report grows only
    form = form_of(team.get(PAGE).text)
    assert "reward-currency" not in form
    wider = team.post(PAGE, data={**form, "do": "save", "events-secret_only": ""})
    assert "cannot be saved" in wider.text
    assert "outcomes that pages report for these types would start to count" in wider.text
    assert stored(running).revision == 2


def test_a_change_made_meanwhile_is_not_overwritten(
    running: Any, team: Any, spec_text: str
) -> None:
    form = form_of(team.get(PAGE).text)
    theirs = parse_toml(spec_text.replace("floor = 0.1", "floor = 0.25"))
    running.platform.apply_experiment(theirs)
    answer = team.post(PAGE, data={**form, "do": "save", "owner": "growth"})
    assert answer.status_code == 409
    assert "Somebody changed this experiment meanwhile" in answer.text
    assert "Nothing was overwritten" in answer.text
    assert stored(running).spec == theirs


def test_a_draft_changed_meanwhile_is_not_overwritten(draft: Any, team: Any, spec: Any) -> None:
    form = form_of(team.get(PAGE).text)
    draft.platform.apply_experiment(spec.model_copy(update={"owner": "them"}))
    answer = team.post(PAGE, data={**form, "do": "save", "owner": "us"})
    assert answer.status_code == 409
    assert stored(draft).spec.owner == "them"
    carried = dict(re.findall(r'name="(spec|based_on)" value="([^"]*)"', answer.text))
    carried = {name: unescape(value) for name, value in carried.items()}
    assert team.post(PAGE, data={**carried, "do": "confirm"}).location.endswith("saved=3")
    assert stored(draft).spec.owner == "us"


def test_a_stopped_experiment_refuses_changes(running: Any, team: Any) -> None:
    running.platform.change_state(KEY, Action.STOP)
    form = form_of(team.get(PAGE).text)
    review = team.post(PAGE, data={**form, "do": "save", "owner": "late"})
    carried = dict(re.findall(r'name="(spec|based_on)" value="([^"]*)"', review.text))
    carried = {name: unescape(value) for name, value in carried.items()}
    answer = team.post(PAGE, data={**carried, "do": "confirm"})
    assert answer.status_code == 409
    assert "Nothing was saved" in answer.text


@pytest.mark.parametrize("spec_json", ["", "{", '{"key": "x"}', "[]"])
def test_a_review_that_cannot_be_read_changes_nothing(
    draft: Any, team: Any, spec_json: str
) -> None:
    answer = team.post(PAGE, data={"spec": spec_json, "based_on": "1", "do": "confirm"})
    assert answer.status_code == 422
    assert stored(draft).revision == 1


def test_a_review_of_another_experiment_is_refused(draft: Any, team: Any, spec: Any) -> None:
    other = spec.model_copy(update={"key": "another"})
    answer = team.post(PAGE, data={"spec": other.to_json(), "based_on": "1", "do": "confirm"})
    assert answer.status_code == 422
    assert [each.spec.key for each in draft.platform.experiments.all()] == [KEY]


def test_the_preview_tries_what_is_not_saved(draft: Any, team: Any) -> None:
    tried = {"try-cart_value": "20", "try-country": "GB", "try-returning": "true"}
    form = form_of(sends(team, PAGE, do="add:arms").text)
    answer = team.post(PAGE, data={**form, **tried, "do": "preview", "arms-2-key": "newest"})
    told = dict(re.findall(r'<tr data-arm="([^"]+)">.*?<td>(.*?)(?:<svg|</td>)', answer.text))
    assert told["nothing"] == told["newest"] == told["insurance"] == "33.3\N{NO-BREAK SPACE}%"
    assert "out: cart_value must be at least 50" in told["upgrade"]
    assert "10\N{NO-BREAK SPACE}% of units are held out" in answer.text
    assert form_of(answer.text)["try-country"] == "GB"
    assert stored(draft).revision == 1


def test_the_preview_knows_the_time(draft: Any, team: Any) -> None:
    form = form_of(team.get(PAGE).text)
    form |= {"arms-1-starts_at": "2027-01-01T00:00:00Z", "do": "preview"}
    assert "out: it starts on 1 Jan 2027, 00:00" in team.post(PAGE, data=form).text
    later = team.post(PAGE, data={**form, "try--at": "2027-01-01T00:00"}).text
    assert "out: it starts" not in later
    assert "must be a moment" in team.post(PAGE, data={**form, "try--at": "soon"}).text


def test_a_context_that_does_not_fit_is_told_in_the_preview(draft: Any, team: Any) -> None:
    answer = sends(team, PAGE, do="preview", **{"try-cart_value": "many"})
    assert "must be a number" in answer.text
    assert "preview-result" not in answer.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST])
@pytest.mark.parametrize("path", [PAGE, "/experiments/new", f"{PAGE}/launch", f"{PAGE}/plan"])
def test_who_may_not_change_does_not_see_the_pages(draft: Any, role: Role, path: str) -> None:
    client = signed_in(draft.console, draft.platform, role)
    assert client.get(path).status_code == 403
    assert client.post(PAGE, data={"do": "save"}).status_code == 403
    assert "/setup" not in client.get(f"/experiments/{KEY}").text


def test_an_unknown_experiment_is_not_found(team: Any) -> None:
    for path in ("", "/launch", "/plan", "/steps/start"):
        assert team.get(f"/experiments/unknown/setup{path}").status_code == 404


def test_large_definitions_are_taken(draft: Any, team: Any) -> None:
    form = form_of(team.get(PAGE).text)
    for number in range(2, 60):
        form |= {f"arms-{number}-key": f"arm-{number}", f"arms-{number}-text": "x" * 6000}
    assert team.post(PAGE, data={**form, "do": "save"}).status_code == 303
    assert len(stored(draft).spec.arms) == 60
