"""Making and changing experiments on pages: every step and refusal, nothing lost."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from dashboards.spec_fields import fields_of
from tests.signing_in import signed_in

KEY = "checkout-offers"
PAGE = f"/experiments/{KEY}/setup"
FORM_FIELD = re.compile(
    r'<input (?P<attributes>[^>]*?)name="(?P<name>[^"]+)"(?P<more>[^>]*)>'
    r'|<textarea id="[^"]*" name="(?P<area>[^"]+)"[^>]*>\n(?P<text>.*?)</textarea>'
    r'|<select id="[^"]*" name="(?P<select>[^"]+)"[^>]*>(?P<options>.*?)</select>',
    re.S,
)


def form_of(page: str) -> dict[str, str]:
    """What a browser would send of the page's editor, as it stands."""
    sent: dict[str, str] = {}
    body = page[page.index('id="editor"') :]
    locked = re.sub(r'<fieldset class="bare" disabled>.*?</fieldset>', "", body, flags=re.S)
    for found in FORM_FIELD.finditer(locked):
        if found["area"]:
            sent[found["area"]] = unescape(found["text"]).replace("\n", "\r\n")
        elif found["select"]:
            chosen = re.search(r'<option value="([^"]*)" selected', found["options"])
            first = re.search(r'<option value="([^"]*)"', found["options"])
            sent[found["select"]] = unescape((chosen or first)[1])  # type: ignore[index]
        else:
            tag = found["attributes"] + found["more"]
            value = re.search(r'value="([^"]*)"', tag)
            if " disabled" in tag or ('type="checkbox"' in tag and "checked" not in tag):
                continue
            sent[found["name"]] = unescape(value[1]) if value else ""
    return sent


def error_at(page: str, name: str) -> str:
    found = re.search(rf'<span class="error" id="{re.escape(name)}-error">(.*?)</span>', page)
    return unescape(found[1]) if found else ""


@pytest.fixture
def team(deployment: Any) -> Any:
    return signed_in(deployment.console, deployment.platform, Role.EXPERIMENTER)


@pytest.fixture
def draft(deployment: Any, spec: Any) -> Any:
    deployment.platform.apply_experiment(spec)
    return deployment


def stored(deployment: Any, key: str = KEY) -> Any:
    return deployment.platform.experiments.get(key)


def sends(team: Any, path: str, do: str = "save", **changed: str) -> Any:
    form = form_of(team.get(path).text)
    return team.post(path, data={**form, "do": do, **changed})


def test_a_new_experiment_by_form(deployment: Any, team: Any) -> None:
    answer = sends(
        team,
        "/experiments/new",
        **{
            "key": "thank-you-page",
            "placement": "thank-you",
            "owner": "growth",
            "hypothesis": "They like <it>.\r\nTwo lines.",
            "context-0-name": "order_value",
            "context-0-type": "number",
            "context-0-min": "0",
            "context-0-required": "on",
            "arms-0-key": "parking",
            "arms-0-title": "Park at the venue",
            "arms-0-more": '{"badge": {"text": "new"}}',
            "arms-0-features-0-name": "price",
            "arms-0-features-0-kind": "number",
            "arms-0-features-0-value": "14",
            "arms-0-when-0-field": "order_value",
            "arms-0-when-0-op": "gte",
            "arms-0-when-0-value": "50",
            "reward-range_low": "-1",
            "reward-range_high": "1",
            "reward-weights-0-value": "0.5",
            "reward-weights-1-type": "purchase",
            "reward-weights-1-kind": "amount",
            "reward-weights-1-value": "0.01",
            "holdout-share": "0",
        },
    )
    assert answer.status_code == 303, answer.text
    assert answer.location == "/experiments/thank-you-page/setup?saved=created"
    made = stored(deployment, "thank-you-page")
    assert (made.state, made.revision) == ("draft", 1)
    assert made.spec == parse_toml(
        """
        key = "thank-you-page"
        placement = "thank-you"
        owner = "growth"
        hypothesis = "They like <it>.\\nTwo lines."
        context.order_value = { type = "number", min = 0, required = true }
        reward = { window = "7d", range = [-1, 1], accept = 0.5, purchase = { amount = 0.01 } }
        holdout.share = 0
        [[arms]]
        key = "parking"
        offer = { title = "Park at the venue", badge = { text = "new" } }
        features = { price = 14 }
        when = { order_value = { gte = 50 } }
        """
    )
    assert "Saved as a draft" in team.get(answer.location).text


def test_a_new_experiment_by_toml(deployment: Any, team: Any, spec: Any, spec_text: str) -> None:
    answer = sends(team, "/experiments/new", toml=spec_text)
    assert answer.status_code == 303
    assert stored(deployment).spec == spec


def test_every_error_stands_beside_its_field_and_what_was_typed_is_kept(
    deployment: Any, team: Any
) -> None:
    answer = sends(
        team,
        "/experiments/new",
        **{
            "key": "Bad Key",
            "arms-0-key": "nothing",
            "arms-0-more": "{",
            "arms-0-when-0-field": "country",
            "arms-0-when-0-op": "eq",
            "arms-0-when-0-value": "x",
            "arms-0-features-0-name": "price",
            "arms-0-features-0-kind": "number",
            "arms-0-features-0-value": "many",
            "arms-0-starts_at": "tomorrow",
            "reward-range_low": "1",
            "reward-range_high": "low",
            "reward-weights-0-value": "",
            "policy-floor": "7",
            "policy-lambda": "3",
            "report-time_zone": "Mars/North",
            "holdout-share": "0.9",
        },
    )
    assert answer.status_code == 422
    assert deployment.platform.experiments.all() == []
    wrong = {
        "key": "use lower-case",
        "placement": "is missing",
        "arms-0-key": "without being listed",
        "arms-0-more": "not valid JSON",
        "arms-0-when-0-value": "not declared under [context]",
        "arms-0-features-0-value": "must be a number",
        "arms-0-starts_at": "must be a moment",
        "reward-range_high": "must be a number",
        "reward-weights-0-value": "must be a number",
        "policy-floor": "must be at most 1",
        "report-time_zone": "time zone name",
        "holdout-share": "must be at most 0.5",
    }
    for name, words in wrong.items():
        assert words in error_at(answer.text, name), name
        assert f'aria-describedby="{name}-error' in answer.text
    kept = form_of(answer.text)
    assert (kept["key"], kept["arms-0-more"]) == ("Bad Key", "{")
    assert kept["arms-0-features-0-value"] == "many"


def test_names_used_twice_and_rows_without_a_name_are_told(team: Any) -> None:
    answer = sends(
        team,
        "/experiments/new",
        do="check",
        **{
            "context-0-name": "country",
            "context-0-type": "category",
            "context-1-name": "country",
            "context-1-type": "number",
            "context-2-values": "a, b",
            "reward-weights-1-type": "window",
            "reward-weights-1-value": "1",
        },
    )
    assert error_at(answer.text, "context-1-name") == "is used before"
    assert error_at(answer.text, "context-2-name") == "is missing"
    assert "no event type" in error_at(answer.text, "reward-weights-1-type")


def test_broken_toml_is_kept_as_typed_and_nothing_is_saved(draft: Any, team: Any) -> None:
    answer = sends(team, PAGE, toml="key = ")
    assert answer.status_code == 422
    assert "This is not valid TOML" in answer.text
    kept = form_of(answer.text)
    assert kept["toml"] == "key = "
    assert kept["arms-0-key"] == "upgrade"
    again = team.post(PAGE, data={**kept, "do": "save"})
    assert again.status_code == 422, "the text counts until it is mended"
    assert stored(draft).revision == 1


def test_faulty_toml_fills_the_form_with_its_errors(draft: Any, team: Any, spec_text: str) -> None:
    answer = sends(team, PAGE, toml=spec_text.replace("floor = 0.1", "floor = 9\ncolour = 1"))
    assert answer.status_code == 422
    assert "must be at most 1" in error_at(answer.text, "policy-floor")
    assert "<code>policy.colour</code> is not known here" in answer.text
    assert stored(draft).revision == 1


def test_both_sides_edited_asks_which_one_counts(draft: Any, team: Any, spec_text: str) -> None:
    text = spec_text.replace("floor = 0.1", "floor = 0.3")
    answer = sends(team, PAGE, toml=text, owner="growth")
    assert answer.status_code == 200
    assert "Both sides were edited" in answer.text
    kept = form_of(answer.text)
    assert stored(draft).revision == 1
    still = team.post(PAGE, data={**kept, "do": "save"})
    assert "Both sides were edited" in still.text
    form = form_of(team.post(PAGE, data={**kept, "do": "use-form"}).text)
    assert (form["owner"], form["policy-floor"]) == ("growth", "0.1")
    assert 'owner = "growth"' in form["toml"]
    toml = form_of(team.post(PAGE, data={**kept, "do": "use-toml"}).text)
    assert (toml["owner"], toml["policy-floor"]) == ("", "0.3")


def test_both_sides_say_the_same(draft: Any, team: Any) -> None:
    spec = stored(draft).spec
    form = form_of(team.get(PAGE).text)
    assert parse_toml(form["toml"]) == spec
    for name, text in fields_of(spec.to_file()).items():
        if text:
            assert form[name] == text, name
    unchanged = team.post(PAGE, data={**form, "do": "save"})
    assert unchanged.location.endswith("saved=unchanged")


def test_rows_come_and_go_without_a_script(draft: Any, team: Any) -> None:
    form = form_of(sends(team, PAGE, do="add:arms").text)
    assert form["arms-2-key"] == ""
    form = form_of(team.post(PAGE, data={**form, "do": "add:arms-1-when"}).text)
    assert form["arms-1-when-0-op"] == "gte"
    form = form_of(team.post(PAGE, data={**form, "do": "remove:arms-0"}).text)
    assert "arms-0-key" not in form
    assert form["arms-1-key"] == "insurance"
    assert stored(draft).revision == 1


@pytest.mark.parametrize("do", ["add:nowhere", "remove:nowhere-7", "add:", "anything", ""])
def test_odd_buttons_change_nothing(draft: Any, team: Any, do: str) -> None:
    assert sends(team, PAGE, do=do).status_code == 200
    assert stored(draft).revision == 1


def test_a_draft_is_saved_at_once_and_a_key_stays(draft: Any, team: Any) -> None:
    assert sends(team, PAGE, owner="growth").location.endswith("saved=2")
    assert stored(draft).spec.owner == "growth"
    refused = sends(team, PAGE, key="another")
    assert "must stay checkout-offers" in error_at(refused.text, "key")


def test_a_key_in_use_is_told(draft: Any, team: Any, spec_text: str) -> None:
    answer = sends(team, "/experiments/new", toml=spec_text)
    assert answer.status_code == 409
    assert "there is an experiment checkout-offers already" in error_at(answer.text, "key")
    assert stored(draft).revision == 1


def test_a_started_experiment_is_reviewed_before_it_changes(running: Any, team: Any) -> None:
    page = team.get(PAGE).text
    assert "Locked since the start" in page
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
    assert "out: starts at 2027-01-01" in team.post(PAGE, data=form).text
    later = team.post(PAGE, data={**form, "try--at": "2027-01-01T00:00"}).text
    assert "out: starts at" not in later
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
    for path in ("", "/launch", "/plan", "/steps/start", "/promote/greedier"):
        assert team.get(f"/experiments/unknown/setup{path}").status_code == 404


def test_a_candidate_is_promoted_by_the_same_review(running: Any, team: Any) -> None:
    answer = team.get(f"{PAGE}/promote/greedier")
    assert 'data-path="policy.exploration"' in answer.text
    assert "learns again from the first interaction" in answer.text
    assert stored(running).revision == 1
    assert team.get(f"{PAGE}/promote/nobody").status_code == 404


def test_large_definitions_are_taken(draft: Any, team: Any) -> None:
    form = form_of(team.get(PAGE).text)
    for number in range(2, 60):
        form |= {f"arms-{number}-key": f"arm-{number}", f"arms-{number}-text": "x" * 6000}
    assert team.post(PAGE, data={**form, "do": "save"}).status_code == 303
    assert len(stored(draft).spec.arms) == 60
