"""The plan's table prints uplifts that can be told apart."""

from __future__ import annotations

import pytest

from bandit_platform.services.launching.planning import PlanLine
from dashboards.setup.plan_page import plan_rows


@pytest.mark.parametrize(
    ("uplifts", "printed"),
    [
        ((0.00001, 0.00002), ["+0.00001", "+0.00002"]),
        ((0.00005, 0.0001, 0.0002), ["+0.00005", "+0.00010", "+0.00020"]),
        ((0.1 + 0.2, 1.0), ["+0.3", "+1.0"]),
        ((1000.0, 20.0), ["+1,000", "+20"]),
        ((), []),
    ],
)
def test_uplifts_have_as_many_decimals_as_the_finest_needs(
    uplifts: tuple[float, ...], printed: list[str]
) -> None:
    lines = [PlanLine(uplift=each, decisions=100, wait=None) for each in uplifts]
    assert [row.uplift for row in plan_rows(lines)] == printed
