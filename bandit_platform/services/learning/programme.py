"""The programme uplift: units of the policy traffic against held-out units."""

from __future__ import annotations

from collections.abc import Mapping

from bandit_platform.ope import GroupTotals, holdout_uplift
from bandit_platform.ope.estimators.estimate import Estimate


def programme_uplift(counted: Mapping[str, float]) -> Estimate:
    """The randomised contrast, per unit, from an experiment's counters."""
    groups = [
        GroupTotals(
            units=int(counted.get(f"units.{group}.count", 0)),
            total=counted.get(f"units.{group}.total", 0.0),
            square=counted.get(f"units.{group}.squares", 0.0),
        )
        for group in ("policy", "holdout")
    ]
    return holdout_uplift(groups[0], groups[1])
