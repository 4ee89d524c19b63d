from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bandit_platform.domain.direction import Direction
from dashboards.overview.happened import MOST_DAYS, HappenedView, difference, happened_view
from dashboards.text import COLLECTING
from tests.dashboards.fake_happened import happened, row
from tests.dashboards.fake_reports import draft, rich


def view() -> HappenedView:
    made = happened_view(replace(rich(), happened=happened()))
    assert made is not None
    return made


def test_before_anything_has_matured_there_are_no_cards() -> None:
    assert happened_view(draft()) is None


@pytest.mark.parametrize(
    ("direction", "value", "mark", "words"),
    [
        (Direction.HIGHER, 0.02, "better", "better: more"),
        (Direction.HIGHER, -0.02, "worse", "worse: less"),
        (Direction.LOWER, 0.02, "worse", "worse: more"),
        (Direction.LOWER, -0.02, "better", "better: less"),
        (Direction.NEUTRAL, 0.02, "unclear", "more"),
        (Direction.LOWER, 0.005, "unclear", "no clear difference"),
        (Direction.HIGHER, None, "collecting", "collecting data"),
    ],
)
def test_a_difference_is_judged_by_what_it_means(
    direction: Direction, value: float | None, mark: str, words: str
) -> None:
    found = difference(row(value), direction)
    assert (found.mark, found.words) == (mark, words)


def test_restraint_gives_units_and_intervals_with_each_number() -> None:
    lines = {line.key: line for line in view().restraint}
    assert lines["nothing"].value == "50.0\N{NO-BREAK SPACE}%"
    assert "4,600 of 9,200" in lines["nothing"].meaning
    assert lines["offers_per_unit"].value == "1.48"
    assert "0.0050 to 0.0130" in lines["complaint"].meaning
    assert lines["reward_per_offer"].exact == 0.72


def test_the_funnel_is_told_as_shares_of_the_right_whole() -> None:
    steps = {line.key: line for line in view().funnel}
    assert steps["shown"].share == "50.0\N{NO-BREAK SPACE}% of decisions"
    assert steps["purchased"].share == "30.4\N{NO-BREAK SPACE}% of offers"
    assert steps["purchased"].nothing == "610 (13.3\N{NO-BREAK SPACE}%)"
    assert steps["decided"].width == 100.0
    assert [line.key for line in view().funnel if line.trouble] == ["returned", "complained"]


def test_shares_of_few_decisions_are_withheld() -> None:
    one = happened()
    few = replace(
        one,
        restraint=replace(one.restraint, decisions=29, nothing=9, offers=20),
        funnel=tuple(
            replace(step, offers=min(step.offers, 20), nothing=step.nothing and 9)
            for step in one.funnel
        ),
    )
    made = happened_view(replace(rich(), happened=few))
    assert made is not None
    lines = {line.key: line for line in made.restraint}
    assert (lines["nothing"].value, lines["nothing"].exact) == (COLLECTING, None)
    assert lines["offers_per_unit"].value == COLLECTING
    assert {step.share for step in made.funnel} == {COLLECTING}
    assert {step.nothing for step in made.funnel} == {"", "0", "9"}


def test_the_corrected_difference_decides_what_is_said() -> None:
    one = happened()
    wide = replace(one.metrics[1], logging_corrected=row(0.21, 0.3), serving_corrected=None)
    made = happened_view(replace(rich(), happened=replace(one, metrics=(wide,), metric_looks=10)))
    assert made is not None
    assert made.metrics[0].served_over.words == "no clear difference"
    assert made.metrics[0].learned_over is not None
    assert made.metrics[0].learned_over.words == "better: more"
    assert made.metric_level == "99.50"


def test_revenue_keeps_its_currency_and_shows_nothing_too_early() -> None:
    revenue = view().metrics[0]
    assert revenue.unit == "GBP per decision; asymptotic interval"
    assert revenue.served.value == "4.31"
    assert "once the sample is large" in revenue.served.validity
    assert revenue.learned_over is not None
    assert revenue.learned_over.number.collecting


def test_days_are_few_newest_first_and_drawn() -> None:
    made = view()
    assert len(made.days) == MOST_DAYS < made.all_days == 35
    assert made.days[0].day == "2026-11-21"
    assert len(made.days[0].cells) == len(made.day_heads)
    assert made.day_figure is not None
    assert len(json.loads(made.day_figure)["data"][0]["x"]) == 35
    one = replace(happened(), days=happened().days[:1])
    alone = happened_view(replace(rich(), happened=one))
    assert alone is not None
    assert alone.day_figure is None
