"""Exploration: from the scores of the arms to the probability of each.

A score is the reward that a model expects of an arm. Each rule is a pure function in double
precision of the scores, its parameters, the number of examples that the model has learned and the
scale of reward differences; only operations are used that give the same bits on every machine, so
every logged probability can be recomputed anywhere. Arms with equal scores are equally likely.

Before the rule, the policy's minimum value is added to the score of ``nothing``, which is as good
as lowering every offer's: an offer competes with ``nothing`` only by what it is expected to bring
beyond that value. After the rule, the floor is mixed in
(:func:`bandit_platform.domain.pmf.with_floor`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.pmf import floor_mixer
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import PolicyError
from bandit_platform.policies.portable_math import exp, power

Scores = Sequence[float]
Pmf = tuple[float, ...]

#: in units of score; scores are bounded far below
_LARGEST_MINIMUM = 1e9


class Explorer:
    """Turns scores into probabilities by one rule; what does not depend on scores is kept.

    Args:
        exploration: rule and parameters, floor and minimum value.
        floor: in place of the exploration's own; None to keep that.
        width: reward units that make one unit of score, above 0.
        scale: a typical difference of rewards, in the unit of the scores, above 0.
    """

    def __init__(
        self,
        exploration: Exploration,
        *,
        floor: float | FloorTable | None = None,
        width: float = 1.0,
        scale: float = 1.0,
    ) -> None:
        self.floor = exploration.floor if floor is None else floor
        self._mixed = floor_mixer(self.floor)
        self._minimum = min(exploration.minimum_value / width, _LARGEST_MINIMUM)
        self._rule, self._sharpness = _RULES[exploration.exploration]
        self._parameters = exploration.all_parameters()
        self._scale = scale
        #: number of examples, and what the rule makes of it and of the parameters
        self._known = (-1, 0.0)

    def pmf(self, scores: Scores, examples: int, nothing: int | None) -> Pmf:
        """What a policy gives each arm: minimum value, rule, floor.

        Args:
            scores: expected rewards, at least one.
            examples: how many decisions with their rewards the model has learned from.
            nothing: position of ``nothing``; None for a log without it.

        Raises:
            PolicyError: a score is not a finite number.
        """
        if self._minimum and nothing is not None:
            scores = [*scores]  # rules feel differences only: so offers keep theirs to the bit
            scores[nothing] += self._minimum
        return self._mixed(self.probabilities(scores, examples), nothing)

    def probabilities(self, scores: Scores, examples: int) -> Pmf:
        """What the rule alone gives each arm, in the order of the scores.

        Args:
            scores: expected rewards, at least one.
            examples: how many decisions with their rewards the model has learned from.

        Raises:
            PolicyError: a score is not a finite number.
        """
        if not math.isfinite(sum(scores)):
            raise PolicyError("the model gave a score that is not a finite number")
        known, sharpness = self._known
        if known != examples:
            sharpness = self._sharpness(self._parameters, examples, self._scale)
            self._known = (examples, sharpness)
        return self._rule(scores, sharpness)


def arm_probabilities(
    exploration: Exploration, scores: Scores, *, examples: int, scale: float = 1.0
) -> Pmf:
    """What the rule of an :class:`Explorer` gives; arguments and errors as there."""
    return Explorer(exploration, scale=scale).probabilities(scores, examples)


def epsilon_greedy(scores: Scores, epsilon: float) -> Pmf:
    """Epsilon over K for each of the K arms, and the rest shared by the best ones.

    Source: Sutton and Barto, Reinforcement Learning, 2nd edition, section 2.2.
    """
    best = max(scores)
    ties = scores.count(best)
    share = epsilon / len(scores)
    top = share + (1.0 - epsilon) / ties
    return tuple([top if score == best else share for score in scores])


def softmax(scores: Scores, sharpness: float) -> Pmf:
    """Probabilities proportional to exp(lambda * score).

    Source: Sutton and Barto, Reinforcement Learning, 2nd edition, section 2.8.
    """
    best = max(scores)
    weights = [exp(sharpness * (score - best)) for score in scores]
    total = math.fsum(weights)
    return tuple([weight / total for weight in weights])


def squarecb(scores: Scores, gamma: float) -> Pmf:
    """Inverse gap weighting: 1 / (K + gamma * gap) below the best arm, which gets the rest.

    Source: Foster and Rakhlin, Beyond UCB: Optimal and Efficient Contextual Bandits with
    Regression Oracles, ICML 2020, arXiv 2002.04926.
    """
    best, size = max(scores), len(scores)
    pmf = [1.0 / (size + gamma * (best - score)) for score in scores]
    places = [scores.index(best)]
    ties = scores.count(best)
    if ties == size:
        return tuple(pmf)
    if ties > 1:
        places = [place for place, score in enumerate(scores) if score == best]
    for place in places:
        pmf[place] = 0.0
    rest = (1.0 - math.fsum(pmf)) / ties
    for place in places:
        pmf[place] = rest
    return tuple(pmf)


_Sharpness = Callable[[Mapping[str, float], int, float], float]
#: rule → what it does with scores and one number, and where that number comes from
_RULES: Mapping[str, tuple[Callable[[Scores, float], Pmf], _Sharpness]] = {
    "epsilon_greedy": (epsilon_greedy, lambda given, _examples, _scale: given["epsilon"]),
    "softmax": (softmax, lambda given, _examples, scale: given["lambda"] / scale),
    "squarecb": (
        squarecb,
        lambda given, examples, scale: (
            given["gamma_scale"] * power(float(examples), given["gamma_exponent"]) / scale
        ),
    ),
}
