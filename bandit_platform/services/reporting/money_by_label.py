"""Money that offers earned and cost, by advertiser and by category."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.reporting.report_records import ArmRow, MoneyRow


def money_by_label(arms: Iterable[ArmRow]) -> tuple[MoneyRow, ...]:
    """Sums over the arms of each advertiser and of each category; empty where none is declared.

    Arms without a label form a row of their own (``name`` is None), so the rows of a grouping add
    up to all offers. ``nothing`` is in none.
    """
    offers = [arm for arm in arms if arm.arm != NOTHING]
    return (*_grouped(offers, "advertiser"), *_grouped(offers, "category"))


def _grouped(offers: list[ArmRow], by: Literal["advertiser", "category"]) -> tuple[MoneyRow, ...]:
    labels = {arm.arm: arm.advertiser if by == "advertiser" else arm.category for arm in offers}
    if not any(labels.values()):
        return ()
    rows = []
    for label in dict.fromkeys(labels.values()):
        of_label = [arm for arm in offers if labels[arm.arm] == label]
        rows.append(
            MoneyRow(
                by=by,
                name=label,
                arms=tuple(arm.arm for arm in of_label),
                interactions=sum(arm.interactions for arm in of_label),
                gross=sum(arm.gross for arm in of_label),
                taken_back=sum(arm.taken_back for arm in of_label),
                costs=sum(arm.costs for arm in of_label),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.name is None, -row.net)))
