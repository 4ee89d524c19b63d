"""The form of a question asks for no more and no less than was filled in."""

from __future__ import annotations

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
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
