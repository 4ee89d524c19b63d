"""Making and changing experiments on pages: every step and refusal, nothing lost."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

import pytest

from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from dashboards.setup.spec_fields import fields_of
from tests.web.setup_forms import KEY, PAGE, error_at, form_of, sends, stored


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
            "arms-0-value-0-value": "2.5",
            "reward-weights-0-value": "-0.25",
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
        reward.window = "7d"
        reward.range = [-1, 1]
        reward.currency = "GBP"
        reward.dismiss = -0.25
        reward.purchase = { amount = 0.01 }
        holdout.share = 0
        [[arms]]
        key = "parking"
        value = 2.5
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
            "policy-floor_kind": "number",
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
        "arms-0-value-0-value": "must be a number",
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
    assert "<code>context[1]</code> is used before" in answer.text
    assert "<code>reward[window]</code> is no event type" in answer.text


def test_a_check_that_finds_nothing_says_so_and_saves_nothing(
    deployment: Any, team: Any, spec_text: str
) -> None:
    answer = sends(team, "/experiments/new", do="check", toml=spec_text)
    assert answer.status_code == 200
    assert 'id="fine"' in answer.text
    assert deployment.platform.experiments.all() == []
    assert 'id="fine"' not in sends(team, "/experiments/new", do="check", toml="key = 1").text
    assert 'id="fine"' not in sends(team, "/experiments/new", do="add:arms", toml=spec_text).text


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


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ("a = " + "[" * 20_000, "nested too deeply"),
        ("key = " + "9" * 5000, "too many digits"),
        ("key = 0x" + "f" * 5000, "too many digits"),
        (".".join(["a"] * 20_000) + " = 1", "full stops"),
        ('key = "' + "a" * 3_000_000 + '"', "characters"),
        ("".join(f'[[arms]]\nkey = "a{n}"\n' for n in range(20_000)), "more than an experiment"),
    ],
    ids=["deep", "number", "hexadecimal", "name", "long", "many"],
)
def test_toml_that_costs_too_much_is_refused_at_once(
    draft: Any, team: Any, toml: str, why: str
) -> None:
    began = time.process_time()
    answer = sends(team, PAGE, toml=toml)
    assert time.process_time() - began < 3.0
    assert answer.status_code == 422
    assert why in answer.text
    assert form_of(answer.text)["arms-0-key"] == "upgrade"
    assert stored(draft).revision == 1


def test_a_form_of_more_fields_than_an_experiment_has_is_refused(draft: Any, team: Any) -> None:
    rows = {f"arms-{n}-key": "a" for n in range(20_000)}
    assert sends(team, PAGE, **rows).status_code == 413
    assert stored(draft).revision == 1


def test_half_a_character_and_an_endless_offer_are_refused(draft: Any, team: Any) -> None:
    new = {"arms-0-features-9-name": "mood", "arms-0-features-9-kind": "text"}
    answer = sends(team, PAGE, **new, **{"arms-0-features-9-value": r'"\ud800"'})
    assert answer.status_code == 422
    assert "valid Unicode" in error_at(answer.text, "arms-0-features-9-value")
    assert sends(team, PAGE, **{"arms-0-more": r'{"x": "\ud800"}'}).status_code == 422
    deep = '{"x": ' * 800 + "1" + "}" * 800
    assert sends(team, PAGE, **{"arms-0-more": deep}).status_code == 422
    assert sends(team, PAGE, **{"arms-0-starts_at": "9" * 5000}).status_code == 422
    assert stored(draft).revision == 1


@pytest.mark.parametrize("carried", ["[" * 50_000, '{"key": ' + "9" * 5000 + "}", "[1]", ""])
def test_a_review_that_carries_no_definition_changes_nothing(
    draft: Any, team: Any, carried: str
) -> None:
    assert sends(team, PAGE, do="confirm", spec=carried).status_code == 422
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


def test_a_definition_of_a_hundred_arms_with_real_offers_fits_every_form(
    deployment: Any, team: Any, spec_text: str
) -> None:
    head, rest = spec_text.split("[[arms]]", 1)
    tail = rest[rest.index("[reward]") :]
    arms = "".join(
        f'[[arms]]\nkey = "offer-{number:02}"\noffer = {{ text = "{"x" * 8_000}" }}\n'
        for number in range(99)
    )
    toml = f"{head}{arms}{tail}"
    assert sends(team, "/experiments/new", toml=toml).status_code == 303
    deployment.platform.change_state(KEY, Action.START)
    review = sends(team, PAGE, toml=toml.replace("floor = 0.1", "floor = 0.2"))
    assert review.status_code == 200
    carried = unescape(re.search(r'name="spec" value="([^"]*)"', review.text)[1])
    based_on = re.search(r'name="based_on" value="([^"]*)"', review.text)[1]
    saved = team.post(PAGE, data={"do": "confirm", "spec": carried, "based_on": based_on})
    assert saved.status_code == 303
    assert len(stored(deployment).spec.arms) == 99
    assert stored(deployment).revision == 2


def test_the_chosen_kind_of_floor_counts_and_its_faults_stand_beside_it(
    deployment: Any, team: Any, spec_text: str
) -> None:
    page = team.get("/experiments/new")
    start = {**form_of(page.text), "do": "save", "key": "floors", "placement": "cart"}
    given = {"arms-0-key": "a", "arms-0-value-0-value": "1"}
    typed = {**start, **given, "policy-floor": "0.3"}
    answer = team.post("/experiments/new", data={**typed, "policy-floor_nothing": "0.6"})
    assert answer.status_code == 303, answer.text
    floor = deployment.platform.experiments.get("floors").spec.policy.floor
    assert str(floor) == "nothing 0.6, offers 0.02"
    wrong = {"key": "other", "policy-floor_nothing": "0.6", "policy-floor_offers": "0.4"}
    answer = team.post("/experiments/new", data={**typed, **wrong})
    assert "must add up to less than 1" in error_at(answer.text, "policy-floor_nothing")
    wrong = {"key": "other", "policy-floor_kind": "number", "policy-floor": ""}
    answer = team.post("/experiments/new", data={**typed, **wrong})
    assert "is missing" in error_at(answer.text, "policy-floor")
    wrong = {"key": "other", "policy-minimum_value": "-1"}
    answer = team.post("/experiments/new", data={**typed, **wrong})
    assert "must be at least 0" in error_at(answer.text, "policy-minimum_value")


def test_a_new_experiment_begins_with_money_that_an_accept_of_each_arm_brings(
    deployment: Any, team: Any
) -> None:
    page = team.get("/experiments/new")
    start = {**form_of(page.text), "key": "money", "placement": "cart"}
    assert (start["reward-currency"], start["reward-weights-0-value"]) == ("GBP", "-0.5")
    assert start["arms-0-value-0-type"] == "accept"
    first = {**start, "arms-0-key": "lounge", "arms-0-value-0-value": "12", "do": "add:arms"}
    more = team.post("/experiments/new", data=first)
    second = form_of(more.text)
    assert second["arms-1-value-0-type"] == "accept"
    answer = team.post("/experiments/new", data={**second, "arms-1-key": "mug", "do": "save"})
    assert error_at(answer.text, "arms-1-value-0-value") == "must be a number"
    answer = team.post("/experiments/new", data={**second, "do": "save"})  # left as it was added
    assert answer.status_code == 303, answer.text
    spec = deployment.platform.experiments.get("money").spec
    assert [(arm.key, arm.value) for arm in spec.arms] == [("lounge", {"accept": 12.0})]
    assert (spec.reward.currency, spec.reward_range) == ("GBP", (-0.5, 12.0))
    same = {"reward-weights-1-type": "accept", "reward-weights-1-value": "3"}
    other = team.post("/experiments/new", data={**first, **same})
    assert "arms-1-value-0-type" not in form_of(other.text)
    assert "arms-1-key" in form_of(other.text)
