"""What happened after decisions, as a busy shop would report it."""

from __future__ import annotations

from datetime import date, timedelta

from bandit_platform.domain.direction import Direction
from bandit_platform.services.reporting.happened_records import (
    DayRow,
    FunnelStep,
    Happened,
    MetricRow,
    RegretRow,
    Restraint,
)
from bandit_platform.services.reporting.report_records import EstimateRow


def row(
    value: float | None, half: float = 0.01, interval: str = "confidence-sequence"
) -> EstimateRow:
    """An estimate; without a value it is still collecting."""
    return EstimateRow(
        value=value,
        lower=-1.0 if value is None else value - half,
        upper=1.0 if value is None else value + half,
        interval=interval,
        n=9000,
        collecting=value is None,
    )


def metric(name: str, direction: Direction, value: float | None, uplift: float | None) -> MetricRow:
    return MetricRow(
        name=name,
        unit="share of decisions",
        direction=direction,
        decisions=1234,
        logging=row(value),
        logging_uplift=row(uplift),
        serving=row(value),
        serving_uplift=row(uplift),
    )


def happened(event: str = "told-a-friend") -> Happened:
    """Thirty-five days with more purchases and more complaints than nothing would bring."""
    first = date(2026, 10, 18)
    return Happened(
        interactions=9200,
        skipped=0,
        currency="GBP",
        foreign=3,
        metrics=(
            MetricRow(
                name="revenue",
                unit="GBP per decision",
                direction=Direction.HIGHER,
                decisions=812,
                logging=row(4.31, 0.22, "asymptotic-cs"),
                logging_uplift=row(0.9, 0.3, "asymptotic-cs"),
                serving=row(None, interval="asymptotic-cs"),
                serving_uplift=row(None, interval="asymptotic-cs"),
            ),
            metric("accept", Direction.HIGHER, 0.21, 0.21),
            metric("complaint", Direction.LOWER, 0.03, 0.02),
            metric("dismiss", Direction.LOWER, 0.05, -0.03),
            metric("return", Direction.LOWER, 0.02, 0.001),
            metric(event, Direction.NEUTRAL, 0.02, 0.015),
        ),
        restraint=Restraint(
            decisions=9200,
            nothing=4600,
            offers=4600,
            units=3100,
            regrets=tuple(
                RegretRow(name=name, count=40, rate=row(0.009, 0.004))
                for name in ("dismiss", "return", "complaint")
            ),
            reward=row(0.41),
            reward_per_offer=row(0.72, 0.03),
        ),
        funnel=tuple(
            FunnelStep(name=name, offers=offers, nothing=nothing)
            for name, offers, nothing in (
                ("decided", 9200, None),
                ("shown", 4600, 4600),
                ("accepted", 1900, 0),
                ("purchased", 1400, 610),
                ("kept", 1310, 600),
                ("returned", 90, 10),
                ("complained", 40, 6),
            )
        ),
        days=tuple(
            DayRow(
                day=(first + timedelta(days=number)).isoformat(),
                decisions=260 + number,
                shown=180 - 2 * number,
                reward=80.5 + number,
                revenue=1100.25,
                happened={"accept": 60, "complaint": number % 4, "dismiss": 9 - number // 4},
            )
            for number in range(35)
        ),
    )
