"""The uplift sequence as a small drawing for the list of experiments."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.series import thinned, uplift_axis, uplift_series

WIDTH, HEIGHT = 120, 32
_MOST_POINTS = 60


@dataclass(frozen=True, kw_only=True)
class Sparkline:
    """SVG coordinates inside WIDTH x HEIGHT."""

    band: str
    line: str
    zero: float


def sparkline(report: ExperimentReport) -> Sparkline | None:
    """The uplift over nothing of what was served; None before there are two points."""
    served = next((one for one in uplift_series(report) if one.name != "serving"), None)
    if served is None:
        return None
    points = thinned(served.points, _MOST_POINTS)
    axis = uplift_axis([served])
    step = WIDTH / (len(points) - 1)

    def place(index: int, value: float) -> str:
        return f"{index * step:.1f},{_height(axis.place(value)):.1f}"

    upper = [place(i, point.uplift_upper) for i, point in enumerate(points)]
    lower = [place(i, point.uplift_lower) for i, point in enumerate(points)]
    return Sparkline(
        band=" ".join([*upper, *reversed(lower)]),
        line=" ".join(place(i, point.uplift) for i, point in enumerate(points)),
        zero=round(_height(axis.place(0.0)), 1),
    )


def _height(percent: float) -> float:
    return HEIGHT * (1 - percent / 100)
