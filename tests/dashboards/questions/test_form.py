"""The form of a question asks for no more and no less than was filled in."""

from __future__ import annotations

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.question import question_problems
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.errors import QuestionError
from dashboards.questions.form import choices_from, question_form, question_from


def _asked(conditions: int) -> dict[str, list[str]]:
    return {
        "policy": ["uniform"],
        "where_field": ["country"] * conditions,
        "where_value": [f"C{number}" for number in range(conditions)],
    }


def test_more_conditions_than_a_question_takes_are_refused_not_dropped(
    spec: ExperimentSpec,
) -> None:
    assert len(question_from(spec.key, choices_from(_asked(10))).where) == 10
    choices = choices_from(_asked(11))
    with pytest.raises(QuestionError) as caught:
        question_from(spec.key, choices)
    form = question_form(spec, {"uniform": ""}, choices, problems=caught.value.problems)
    assert form.errors == {"where": "at most 10 conditions, not 11"}
    assert form.conditions == choices.conditions


@pytest.mark.parametrize(("used", "empty"), [(0, 3), (1, 2), (2, 1), (9, 1), (10, 0), (11, 0)])
def test_room_for_conditions_ends_where_a_question_takes_no_more(
    spec: ExperimentSpec, used: int, empty: int
) -> None:
    form = question_form(spec, {}, choices_from(_asked(used)))
    assert [pair for pair in form.conditions if not any(pair)] == [("", "")] * empty


def test_a_set_is_cut_by_a_value_that_the_definition_names(spec: ExperimentSpec) -> None:
    tables = spec.to_file()
    tables["context"]["cart"] = {"type": "set"}
    tables["report"]["segments"] = [{"cart": ["V60"]}]
    tables["arms"][0] |= {"sku": "MUG-1", "not_if_in": "cart"}
    shop = parse_tables(tables)
    form = question_form(shop, {}, choices_from({}))
    values = dict(form.fields)
    assert values["cart=V60"] == "cart contains V60"
    assert values["cart=MUG-1"] == "cart contains MUG-1"
    assert "cart" not in values
    assert "cart" in dict(form.where_fields)
    for by, message in (
        ("cart=V60", ""),
        ("cart=new", ""),
        ("cart", "cart is a set: name a value to cut by, such as cart=VALUE"),
        ("country=GB", "give a declared context field: cart_value, country, returning, cart"),
    ):
        asked = question_from(shop.key, choices_from({"policy": ["uniform"], "by": [by]}))
        asked = asked.model_copy(update={"estimators": ("snips",)})
        problems = question_problems(asked, [shop], ["snips"])
        assert [each.message for each in problems] == ([message] if message else [])
