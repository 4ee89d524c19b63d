"""Reports as a real experiment would give them, made from a seeded random walk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from bandit_platform.services.reporting.finding import finding
from bandit_platform.services.reporting.report_records import (
    ArmRow,
    Counts,
    EstimateRow,
    ExperimentReport,
    PolicyRow,
    RevisionMark,
    TimelinePoint,
    TimelinePolicy,
)

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
START = NOW - timedelta(days=18)
SIX_ARMS = ("nothing", "vip-upgrade", "parking", "insurance", "merch-bundle", "next-event")
NASTY_ARMS = ("nothing", "<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>")

NO_COUNTS = Counts(
    decisions=0,
    by_reason={},
    immature=0,
    interactions=0,
    holdout_interactions=0,
    not_activated=0,
    learned=0,
    events=0,
    events_by_type={},
    late=0,
    orphan=0,
    clipped=0,
    other_currency=0,
)


def estimate(
    value: float, half: float, n: int, interval: str = "confidence-sequence"
) -> EstimateRow:
    return EstimateRow(
        value=value,
        lower=value - half,
        upper=value + half,
        interval=interval,
        n=n,
        collecting=False,
    )


def vague(n: int = 0, interval: str = "confidence-sequence") -> EstimateRow:
    return EstimateRow(value=None, lower=-6.0, upper=6.0, interval=interval, n=n, collecting=True)


def policy_row(  # noqa: PLR0917 # a table of numbers reads better without their names
    name: str, kind: str, value: float, nothing: float, n: int, spread: float, weight: float
) -> PolicyRow:
    uplift = (
        EstimateRow(
            value=0.0, lower=0.0, upper=0.0, interval="confidence-sequence", n=n, collecting=False
        )
        if name == "always:nothing"
        else estimate(value - nothing, spread * 1.1, n)
    )
    return PolicyRow(
        name=name,
        kind=kind,  # type: ignore[arg-type] # one of the four words, given by the caller
        value=estimate(value, spread, n),
        snips=estimate(value + spread * 0.05, spread * 0.55, n, "linearised-normal"),
        uplift=uplift,
        ess=n / weight,
        max_weight=1.0 if kind == "logging" else weight * 3.7,
        mean_weight=1.0 if kind == "logging" else 1.004,
    )


def vague_policy(name: str, kind: str, n: int) -> PolicyRow:
    return PolicyRow(
        name=name,
        kind=kind,  # type: ignore[arg-type] # one of the four words, given by the caller
        value=vague(n),
        snips=vague(n, "linearised-normal"),
        uplift=vague(n),
        ess=n / 3,
        max_weight=6.0,
        mean_weight=0.97,
    )


def timeline(
    arms: tuple[str, ...], n: int, points: int, uplift: float, half: float
) -> tuple[TimelinePoint, ...]:
    """Estimates that settle like a random walk divided by its length."""
    rng = np.random.default_rng(7)
    sizes = np.maximum(1, np.linspace(n / points, n, points)).astype(int)
    walk = np.cumsum(rng.normal(0, 1, points)) / np.arange(1, points + 1) ** 0.8
    drift = np.linspace(0.35, 1.0, points)
    shares = _shares(len(arms), points)
    totals = np.zeros(len(arms))
    made = []
    for i in range(points):
        width = min(6.0, half * (n / sizes[i]) ** 0.5 * (1 + 30 / (i + 1)))
        step = sizes[i] - (sizes[i - 1] if i else 0)
        totals = totals + shares[i] * step
        named: dict[str, TimelinePolicy] = {}
        for name, scale in (("logging", 0.8), ("serving", 1.0), ("uniform", 0.4)):
            middle = uplift * scale * drift[i] + half * 0.5 * walk[i]
            if i == points - 1:
                middle = uplift * scale
            named[name] = TimelinePolicy(
                value=0.4 + middle,
                lower=0.4 + middle - width * 0.9,
                upper=0.4 + middle + width * 0.9,
                uplift=middle,
                uplift_lower=middle - width,
                uplift_upper=middle + width,
            )
        at = START + (NOW - START) * ((i + 1) / points)
        counts = {arm: int(total) for arm, total in zip(arms, totals, strict=True)}
        made.append(TimelinePoint(at=at, n=int(sizes[i]), policies=named, arms=counts))
    return tuple(made)


def _shares(arms: int, points: int) -> np.ndarray:
    """Equal shares at first; later one arm leads and ``nothing`` (the first) follows."""
    goal = np.array([0.45, *np.linspace(0.5, 0.02, arms - 1) ** 1.5])
    goal = goal / goal.sum()
    learnt = np.clip(np.linspace(-0.1, 1.2, points), 0, 1)[:, None]
    return (1 - learnt) / arms + learnt * goal


def draft() -> ExperimentReport:
    report = ExperimentReport(
        experiment="checkout-insurance",
        placement="checkout",
        owner="ancillaries",
        hypothesis="Offering cancellation insurance before payment lifts margin without "
        "slowing the checkout.",
        state="draft",
        revision=1,
        time_zone="Europe/London",
        as_of=NOW,
        started_at=None,
        data_until=None,
        finding="",
        reward_range=(-1.0, 5.0),
        model_version=None,
        model_published_at=None,
        model_interactions=0,
        counts=NO_COUNTS,
        programme=vague(interval="asymptotic-cs"),
        holdout_share=0.05,
        units=0,
        holdout_units=0,
        policies=(),
        arms=tuple(
            ArmRow(arm=arm, active=True, interactions=0, share=0.0, mean_reward=None)
            for arm in SIX_ARMS
        ),
        timeline=(),
        revisions=(RevisionMark(number=1, at=NOW - timedelta(days=1)),),
    )
    return with_finding(report)


def empty() -> ExperimentReport:
    return with_finding(
        replace(
            draft(),
            experiment="thank-you-survey",
            placement="thank-you",
            state="running",
            started_at=NOW - timedelta(hours=2),
            revisions=(RevisionMark(number=1, at=NOW - timedelta(hours=2)),),
        )
    )


def immature() -> ExperimentReport:
    counts = replace(
        NO_COUNTS,
        decisions=412,
        by_reason={"uniform": 391, "holdout": 21},
        immature=412,
    )
    return with_finding(replace(empty(), experiment="payment-instalments", counts=counts))


def collecting() -> ExperimentReport:
    counts = replace(
        NO_COUNTS,
        decisions=640,
        by_reason={"uniform": 480, "policy": 130, "holdout": 30},
        immature=280,
        interactions=342,
        holdout_interactions=18,
        learned=342,
        events=133,
        events_by_type={"impression": 101, "accept": 23, "dismiss": 9},
    )
    arms = SIX_ARMS[:4]
    each = [90, 88, 84, 80]
    return with_finding(
        replace(
            empty(),
            experiment="cart-upsell",
            placement="cart",
            data_until=NOW - timedelta(minutes=31),
            counts=counts,
            units=338,
            holdout_units=18,
            policies=tuple(
                vague_policy(name, kind, 342)
                for name, kind in (
                    ("logging", "logging"),
                    ("serving", "serving"),
                    ("uniform", "fixed"),
                    ("always:nothing", "fixed"),
                    *((f"always:{arm}", "fixed") for arm in arms[1:]),
                )
            ),
            arms=tuple(
                ArmRow(arm=a, active=True, interactions=k, share=k / 342, mean_reward=0.1 + i / 9)
                for i, (a, k) in enumerate(zip(arms, each, strict=True))
            ),
            timeline=tuple(
                replace(point, policies={}) for point in timeline(arms, 342, 14, 0.02, 0.4)
            ),
        )
    )


RICH_COUNTS = Counts(
    decisions=214_903,
    by_reason={
        "policy": 196_021,
        "uniform": 7_410,
        "holdout": 10_702,
        "fallback": 27,
        "paused": 743,
    },
    immature=19_002,
    interactions=184_220,
    holdout_interactions=9_673,
    not_activated=1_238,
    learned=184_220,
    events=301_554,
    events_by_type={
        "impression": 196_400,
        "accept": 41_203,
        "dismiss": 38_911,
        "purchase": 22_020,
        "return": 1_804,
        "complaint": 216,
        "opened-box": 1_000,
    },
    late=1_312,
    orphan=41,
    clipped=88,
    other_currency=12,
)


def rich(arms: tuple[str, ...] = SIX_ARMS, uplift: float = 0.0213) -> ExperimentReport:
    n = RICH_COUNTS.interactions
    points = timeline(arms, n, 800, uplift * 1.25, 0.0091)
    report = replace(
        draft(),
        experiment="confirmation-page",
        placement="confirmation",
        owner="growth",
        hypothesis="A well-chosen offer after the order earns more than it annoys; for some "
        "shoppers the best offer is none.",
        state="running",
        revision=3,
        started_at=START,
        data_until=NOW - timedelta(minutes=3),
        reward_range=(-3.0, 3.0),
        model_version=412,
        model_published_at=NOW - timedelta(minutes=4),
        model_interactions=n,
        counts=RICH_COUNTS,
        programme=estimate(0.0262 if uplift > 0 else -0.0262, 0.0171, 170_001, "asymptotic-cs"),
        units=161_400,
        holdout_units=8_601,
        policies=rich_policies(arms, uplift, n),
        arms=rich_arms(points[-1].arms, n),
        timeline=points,
        revisions=tuple(
            RevisionMark(number=i + 1, at=START + timedelta(days=days))
            for i, days in enumerate((0, 6.2, 11.1))
        ),
    )
    return with_finding(report)


def rich_policies(arms: tuple[str, ...], uplift: float, n: int) -> tuple[PolicyRow, ...]:
    half, nothing = 0.0091, 0.4021
    fixed = [
        policy_row(
            f"always:{arm}",
            "fixed",
            nothing + 0.012 - 0.011 * i,
            nothing,
            n,
            0.012 + 0.004 * i,
            3.2 + 2 * i,
        )
        for i, arm in enumerate(arms[1:])
    ]
    return (
        policy_row("logging", "logging", nothing + uplift, nothing, n, half, 1.0),
        policy_row("serving", "serving", nothing + uplift * 1.25, nothing, n, half * 1.2, 2.1),
        policy_row("greedier", "candidate", nothing + uplift * 1.3, nothing, n, half * 1.6, 4),
        policy_row("uniform", "fixed", nothing - 0.004, nothing, n, half * 1.1, 2.9),
        policy_row("always:nothing", "fixed", nothing, nothing, n, half, 3.4),
        *fixed,
    )


def rich_arms(drawn: dict[str, int], n: int) -> tuple[ArmRow, ...]:
    return tuple(
        ArmRow(
            arm=arm,
            active=arm != "merch-bundle",
            interactions=count,
            share=count / n,
            mean_reward=0.42 - 0.05 * i if i < 5 else -0.07,
        )
        for i, (arm, count) in enumerate(drawn.items())
    )


def negative() -> ExperimentReport:
    return replace(rich(uplift=-0.0213), experiment="confirmation-costly")


def nasty() -> ExperimentReport:
    """Paused, and every text a user may give tries to break out."""
    report = rich(arms=NASTY_ARMS)
    return replace(
        report,
        experiment="nasty",
        placement="<b>cart</b>",
        owner="\"'><script>alert(3)</script>",
        hypothesis="</script><script>alert(4)</script> {{ 7*7 }}",
        state="paused",
        counts=replace(report.counts, events_by_type={"<i>accept</i>": 5}),
    )


def with_finding(report: ExperimentReport) -> ExperimentReport:
    uplift = next((row.uplift for row in report.policies if row.kind == "logging"), vague())
    sentence = finding(
        uplift,
        report.programme,
        report.state,
        report.counts.decisions,
        report.counts.interactions,
    )
    return replace(report, finding=sentence)


def all_reports() -> tuple[ExperimentReport, ...]:
    return (rich(), collecting(), immature(), empty(), draft(), negative(), nasty())
