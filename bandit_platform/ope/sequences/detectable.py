"""How many decisions until a confidence sequence would tell an uplift over nothing from none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Frozen, Settings
from bandit_platform.ope.sequences.tuning import TuningSums

_MOST = 1e9
_GRID = 400


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What decisions are expected to be like, rewards on the scale [0, 1].

    Attributes:
        mean: mean reward of what is served.
        variance: variance of the reward of one decision, alike for every arm.
        nothing: probability with which the arm nothing is drawn; where it varies, the inverse of
            the mean of its inverse, which is what weights feel.
        bound: largest importance weight that nothing can get.
    """

    mean: float
    variance: float
    nothing: float
    bound: float

    def __post_init__(self) -> None:
        if not (
            0.0 <= self.mean <= 1.0
            and 0.0 < self.variance <= 0.25
            and 0.0 < self.nothing < 1.0
            and self.bound * self.nothing >= 1.0 - 1e-9
        ):
            raise EvaluationError(f"there are no decisions like {self}")


def decisions_needed(situation: Situation, uplift: float) -> int | None:
    """Decisions after which the lower bound of the served policy's uplift leaves zero.

    Estimand: the n at which mean(Z) - B u(V/B²)/n = 0 for Z = (1 - w)(R - c), w the weight of
    nothing, with ΣZ = n·uplift and V = n·Var(Z): the very sequence the report shows, fed with what
    it expects. Chance moves the real moment about this one; the first look that succeeds comes
    rather before it, because a sequence may be looked at all the time.

    Args:
        situation: what decisions are expected to be like.
        uplift: on the scale [0, 1], > 0.

    Returns:
        Decisions of the policy traffic, the tuning rows among them; None beyond 10⁹.

    Raises:
        EvaluationError: the uplift is not positive.
    """
    if not uplift > 0.0:
        raise EvaluationError(f"an uplift to be detected is above 0, not {uplift}")
    sequence, spread = _expected(situation, uplift)
    low, high = 1.0, _MOST
    for _ in range(4):
        grid = np.geomspace(low, high, _GRID)
        lower, _upper = sequence.curve(grid, grid * uplift, grid * spread)
        found = np.flatnonzero(lower > 0.0)
        if found.size == 0:
            return None
        first = int(found[0])
        low, high = grid[max(first - 1, 0)], grid[first]
    return int(np.ceil(high)) + sequence.settings.tuning_rows


def _expected(situation: Situation, uplift: float) -> tuple[ConfidenceSequence, float]:
    """The sequence as its tuning rows leave it in expectation, and Var(Z)."""
    p, settings = situation.nothing, Settings(kind="uplift", tuning_rows=200, horizon=10_000)
    rows = settings.tuning_rows
    shown, left = 1.0 - p, (1.0 - p) ** 2 / p
    none = situation.mean - uplift
    some = none + uplift / shown
    square_none, square_some = situation.variance + none**2, situation.variance + some**2
    tuning = TuningSums(
        n=rows,
        r=rows * situation.mean,
        rr=rows * (p * square_none + shown * square_some),
        g=0.0,
        size=rows * 2.0 * shown,
        gg=rows * (shown + left),
        gr=rows * uplift,
        ggr=rows * (shown * some + left * none),
        ggrr=rows * (shown * square_some + left * square_none),
    )
    offset = tuning.offset()
    frozen = Frozen(
        offset=offset,
        variance=tuning.variance(offset=offset),
        start=rows * uplift,
        bound=1.0,
        baseline_bound=situation.bound,
    )
    sequence = ConfidenceSequence(
        settings=settings,
        tuning=tuning,
        frozen=frozen,
        bound=1.0,
        baseline_bound=situation.bound,
    )
    square = tuning.ggrr - 2.0 * offset * tuning.ggr + offset**2 * tuning.gg
    return sequence, max(square / rows - uplift**2, 0.0)
