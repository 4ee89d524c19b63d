"""How long an experiment has to run: from traffic and from how rewards vary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.reward import AmountWeight, Worth
from bandit_platform.errors import InputError
from bandit_platform.ope import PolicyAccumulator
from bandit_platform.ope.sequences.detectable import Situation, decisions_needed
from bandit_platform.services.learning.tracked import ALWAYS_NOTHING, LOGGING
from bandit_platform.services.learning.weight_bounds import WeightBound
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import StoredExperiment, all_experiments, get_experiment
from bandit_platform.storage.policy_states import policy_states
from bandit_platform.storage.traffic import decisions_per_day

#: interactions before what was measured is worth planning with
_ENOUGH = 200


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """How the reward of one decision is expected to be.

    Attributes:
        mean: in reward units.
        variance: in squared reward units.
        nothing: probability of the arm nothing, as weights feel it; None: evenly drawn arms.
        interactions: how many it was measured on; 0 for a guess.
    """

    mean: float
    variance: float
    nothing: float | None = None
    interactions: int = 0


@dataclass(frozen=True, kw_only=True)
class EventGuess:
    """What somebody expects of one event type.

    Attributes:
        share: share of decisions that it follows, 0 to 1.
        amount: mean amount, for event types that are worth a multiple of it.
    """

    share: float
    amount: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PlanLine:
    """Until when an uplift would be seen.

    Attributes:
        uplift: in reward units per decision.
        decisions: of the programme, holdout included; None beyond what can be waited for.
        wait: from the start until the last of them has matured; None without traffic.
    """

    uplift: float
    decisions: int | None
    wait: timedelta | None


def guessed(spec: ExperimentSpec, events: Mapping[str, EventGuess]) -> Rewards:
    """The reward that guesses about events add up to.

    Events are taken as independent, amounts as varying as much as their mean (as exponential ones
    do), and every offer as drawn equally often.

    Raises:
        InputError: a share is not from 0 to 1, or an amount is negative.
    """
    mean, variance = spec.reward.default, 0.0
    arms = [worth for arm, worth in spec.worths.items() if arm != NOTHING]
    if spec.takes_arms:  # those of requests are worth what the experiment says
        arms.append(spec.worths[NOTHING])
    for name in spec.event_types:
        guess = events.get(name, EventGuess(share=0.0))
        if not (0.0 <= guess.share <= 1.0 and 0.0 <= guess.amount < float("inf")):
            raise InputError(f"{name}: a share is from 0 to 100 %, an amount at least 0")
        moments = [_moments(each, name, guess.amount) for each in arms]
        worth = sum(first for first, _ in moments) / len(moments)
        square = sum(second for _, second in moments) / len(moments)
        mean += guess.share * worth
        variance += guess.share * square - (guess.share * worth) ** 2
    return Rewards(mean=mean, variance=variance)


def _moments(worth: Worth, name: str, amount: float) -> tuple[float, float]:
    """Mean and mean square of what one event adds with an amount that varies as its mean."""
    fixed = rate = 0.0
    for weight, sign in ((worth.weights.get(name), 1.0), (worth.costs.get(name), -1.0)):
        if isinstance(weight, AmountWeight):
            rate += sign * weight.amount * amount
        else:
            fixed += sign * (weight or 0.0)
    return fixed + rate, fixed**2 + 2.0 * fixed * rate + 2.0 * rate**2


def plan(
    spec: ExperimentSpec, rewards: Rewards, per_day: float, uplifts: Sequence[float]
) -> list[PlanLine]:
    """For each uplift, how many decisions and how long.

    Args:
        spec: the experiment.
        rewards: what decisions are expected to bring.
        per_day: decisions a day, holdout included.
        uplifts: of what is served over nothing, in reward units per decision, > 0.

    Raises:
        InputError: rewards do not vary, or an uplift is not positive.
    """
    low, high = spec.reward_range
    width = high - low
    variance = min(rewards.variance / width**2, 0.25)
    if variance <= 0.0:
        raise InputError("with these numbers every decision brings the same reward")
    bound = WeightBound.of_spec(spec).largest_nothing
    nothing = rewards.nothing or 1.0 / (spec.most_offers + 1)
    situation = Situation(
        mean=min(max((rewards.mean - low) / width, 0.0), 1.0),
        variance=variance,
        nothing=min(max(nothing, 1.0 / bound), 1.0 - 1e-6),
        bound=bound,
    )
    return [_line(spec, situation, uplift, width, per_day) for uplift in uplifts]


def _line(
    spec: ExperimentSpec, situation: Situation, uplift: float, width: float, per_day: float
) -> PlanLine:
    if not 0.0 < uplift < float("inf"):
        raise InputError("an uplift to be seen is above 0")
    needed = decisions_needed(situation, uplift / width)
    if needed is None:
        return PlanLine(uplift=uplift, decisions=None, wait=None)
    decisions = round(needed / (1.0 - spec.holdout.share))
    wait = None
    if per_day > 0 and decisions / per_day < 36_500:
        wait = timedelta(days=decisions / per_day) + spec.reward.window
    return PlanLine(uplift=uplift, decisions=decisions, wait=wait)


def decisions_at_floor(nothing: float) -> int | None:
    """Decisions until an uplift over nothing shows while ``nothing`` is as rare as it may be.

    The uplift is 2 % of the reward range, and rewards vary by 10 % of it (standard deviation).

    Args:
        nothing: the least probability of ``nothing``, below 1.
    """
    situation = Situation(mean=0.5, variance=0.01, nothing=nothing, bound=1.0 / nothing)
    return decisions_needed(situation, 0.02)


def usual_uplifts(rewards: Rewards) -> list[float]:
    """A few round uplifts to begin with: parts of a standard deviation of the reward."""
    spread = rewards.variance**0.5
    return [float(f"{part * spread:.1g}") for part in (0.05, 0.1, 0.2, 0.4)]


def measured(database: Database, key: str) -> Rewards | None:
    """What an experiment's served decisions have brought; None while they are too few.

    Raises:
        NotFoundError: there is no such experiment.
    """
    with database.read() as connection:
        spec = get_experiment(connection, key).spec
        states = policy_states(connection, key)
    if LOGGING not in states or states[LOGGING].interactions < _ENOUGH:
        return None
    low, high = spec.reward_range
    sums = PolicyAccumulator.from_state(json.loads(states[LOGGING].accumulator)).target
    mean = sums.wr / sums.n
    nothing = None
    if ALWAYS_NOTHING in states:
        weights = PolicyAccumulator.from_state(
            json.loads(states[ALWAYS_NOTHING].accumulator)
        ).target
        nothing = weights.n / weights.ww if weights.ww else None
    return Rewards(
        mean=low + (high - low) * mean,
        variance=(high - low) ** 2 * max(sums.wwrr / sums.n - mean**2, 0.0),
        nothing=nothing,
        interactions=sums.n,
    )


def traffic(database: Database, spec: ExperimentSpec, now: datetime) -> float:
    """Decisions a day on the experiment's page: those of the busiest experiment there."""
    with database.read() as connection:
        return max(
            (
                decisions_per_day(connection, each.spec.key, now)
                for each in _at(connection, spec.placement)
            ),
            default=0.0,
        )


def with_data(database: Database) -> list[str]:
    """Keys of experiments that have been started, whose numbers a plan may borrow."""
    with database.read() as connection:
        return [e.spec.key for e in all_experiments(connection) if e.started_at is not None]


def _at(connection: Connection, placement: str) -> list[StoredExperiment]:
    return [each for each in all_experiments(connection) if each.spec.placement == placement]
