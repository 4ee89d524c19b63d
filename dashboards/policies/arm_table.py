"""Arms: how often each was drawn and what it brought where it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bandit_platform.services.reporting.report_records import ArmRow, ExperimentReport
from bandit_platform.services.reporting.rounding import rounded
from dashboards.charts.palette import arm_classes
from dashboards.charts.scale import Axis, padded
from dashboards.policies.money_table import worth_words
from dashboards.text import COLLECTING, LEAST, percent


@dataclass(frozen=True, kw_only=True)
class ArmLine:
    """One arm as printed."""

    arm: str
    #: name of its colour
    colour: str
    active: bool
    #: what its own outcomes are worth and cost
    worth: str
    interactions: str
    share: str
    exact_share: float | None
    reward: str
    exact_reward: float | None
    #: bar from zero to the mean reward, in percent; None without a reward
    left: float | None
    width: float
    zero: float


def arm_lines(report: ExperimentReport) -> tuple[ArmLine, ...]:
    """The report's arms in its order, rewards on one axis that includes zero."""
    rewards = [mean for row in report.arms if (mean := _mean(row)) is not None]
    axis = padded(min([0.0, *rewards]), max([0.0, *rewards]), share=0.02)
    classes = arm_classes(report.arms)
    decimals = _decimals(rewards)
    enough = report.counts.interactions >= LEAST
    return tuple(
        _line(
            row,
            axis,
            classes[row.arm],
            decimals,
            worth=worth_words(row, report.currency),
            enough=enough,
        )
        for row in report.arms
    )


def _line(
    row: ArmRow, axis: Axis, colour: str, decimals: int, *, worth: str, enough: bool
) -> ArmLine:
    zero = axis.place(0.0)
    mean = _mean(row)
    place = None if mean is None else axis.place(mean)
    few = COLLECTING if row.interactions else "not drawn"
    return ArmLine(
        arm=row.arm,
        colour=colour,
        active=row.active,
        worth=worth,
        interactions=f"{row.interactions:,}",
        share=percent(row.share) if enough else COLLECTING,
        exact_share=row.share if enough else None,
        reward=few if mean is None else rounded(mean, decimals, sign=True),
        exact_reward=mean,
        left=None if place is None else min(zero, place),
        width=0.0 if place is None else round(abs(place - zero), 2),
        zero=zero,
    )


def _mean(row: ArmRow) -> float | None:
    """Withheld while few shoppers have met the arm."""
    return row.mean_reward if row.interactions >= LEAST else None


def _decimals(rewards: list[float]) -> int:
    """Three significant digits of the largest mean: there is no interval to round by."""
    largest = max((abs(reward) for reward in rewards), default=0.0)
    return 2 if largest == 0 else min(max(0, 2 - math.floor(math.log10(largest))), 6)
