"""The plan of an experiment, ready for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import AmountWeight
from bandit_platform.services.launching.planning import PlanLine, Rewards
from dashboards.text import duration

GUESS = "guess"


@dataclass(frozen=True, kw_only=True)
class EventField:
    """What to guess about one event type."""

    name: str
    share: str
    #: None where its worth does not depend on an amount
    amount: str | None


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One uplift as printed."""

    uplift: str
    decisions: str
    wait: str


@dataclass(frozen=True, kw_only=True)
class PlanPage:
    """What to fill in, and what follows.

    Attributes:
        per_day: decisions a day, as typed or measured.
        measured_per_day: those measured on its placement; empty for none.
        source: guess, or the key of the experiment whose numbers are taken.
        sources: what can be chosen.
        events: guesses.
        uplifts: as typed, separated by commas.
        rows: the plan; empty while something is missing.
        basis: what it was worked out from, in a sentence.
        trouble: what is missing or wrong.
    """

    per_day: str
    measured_per_day: str
    source: str
    sources: tuple[tuple[str, str], ...]
    events: tuple[EventField, ...]
    uplifts: str
    rows: tuple[PlanRow, ...] = ()
    basis: str = ""
    trouble: str = ""


def event_fields(spec: ExperimentSpec, typed: Mapping[str, str]) -> tuple[EventField, ...]:
    """The fields of the guesses, as they were typed."""
    return tuple(
        EventField(
            name=name,
            share=typed.get(f"share-{name}", ""),
            amount=typed.get(f"amount-{name}", "") if _is_priced(spec, name) else None,
        )
        for name in spec.event_types
    )


def _is_priced(spec: ExperimentSpec, name: str) -> bool:
    """Whether an event type is worth or costs a multiple of its amount, with any arm."""
    return any(
        isinstance(weight, AmountWeight)
        for worth in spec.worths.values()
        for weight in (worth.weights.get(name), worth.costs.get(name))
    )


def plan_rows(lines: Sequence[PlanLine]) -> tuple[PlanRow, ...]:
    """The table's rows; as many decimals as the finest uplift needs."""
    texts = [f"{Decimal(f'{line.uplift:.12g}'):f}" for line in lines]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return tuple(
        PlanRow(
            uplift=f"+{line.uplift:,.{decimals}f}",
            decisions="more than can be waited for"
            if line.decisions is None
            else f"about {float(f'{line.decisions:.2g}'):,.0f}",
            wait=_wait(line),
        )
        for line in lines
    )


def _wait(line: PlanLine) -> str:
    if line.wait is None:
        return "traffic unknown" if line.decisions is not None else ""
    return f"about {duration(line.wait)}"


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def basis(spec: ExperimentSpec, rewards: Rewards, source: str) -> str:
    """What the plan was worked out from."""
    spread = rewards.variance**0.5
    numbers = (
        f"a mean reward of {rewards.mean:.3g} that varies by {spread:.3g} (standard deviation)"
    )
    arms = spec.most_offers + 1
    if rewards.interactions:
        origin = f"{rewards.interactions:,} interactions of {source}: {numbers}"
    else:
        origin = f"your guesses: {numbers}"
    shared = (
        f"nothing as likely as there (changing from decision to decision, which tells as much as "
        f"{100 * rewards.nothing:.0f} % each time)"
        if rewards.nothing
        else f"nothing drawn as often as each of the other arms (1 in {arms})"
    )
    low, high = spec.reward_range
    return (
        f"Worked out from {origin}; {shared}; rewards declared from {_signed(low)} to "
        f"{_signed(high)}. It is the "
        "width of the very band that the report will show, so you may look at it all the time."
    )
