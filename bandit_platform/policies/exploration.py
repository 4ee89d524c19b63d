"""Exploration: from the scores of the arms to the probability of each.

A score is the reward that a model expects of an arm. Each rule is a pure function in double
precision of the scores, its parameters, the number of examples that the model has learned and the
scale of reward differences; only operations are used that give the same bits on every machine, so
every logged probability can be recomputed anywhere. Arms with equal scores are equally likely.

The floor is applied afterwards (:func:`bandit_platform.domain.pmf.with_floor`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import PolicyError
from bandit_platform.policies.portable_math import exp, power

Scores = Sequence[float]
Pmf = tuple[float, ...]


def arm_probabilities(
    exploration: Exploration, scores: Scores, *, examples: int, scale: float = 1.0
) -> Pmf:
    """The probability of each arm, in the order of the scores.

    Args:
        exploration: rule and parameters.
        scores: expected rewards, at least one.
        examples: how many decisions with their rewards the model has learned from.
        scale: a typical difference of rewards, in the unit of the scores, above 0.

    Raises:
        PolicyError: a score is not a finite number.
    """
    if not all(map(math.isfinite, scores)):
        raise PolicyError("the model gave a score that is not a finite number")
    rule = _RULES[exploration.exploration]
    return rule(scores, exploration.all_parameters(), examples, scale)


def epsilon_greedy(scores: Scores, epsilon: float) -> Pmf:
    """Epsilon over K for each of the K arms, and the rest shared by the best ones.

    Source: Sutton and Barto, Reinforcement Learning, 2nd edition, section 2.2.
    """
    best = max(scores)
    ties = sum(score == best for score in scores)
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
    best = max(scores)
    size = len(scores)
    pmf = [0.0 if score == best else 1.0 / (size + gamma * (best - score)) for score in scores]
    ties = pmf.count(0.0)
    if ties == size:
        return (1.0 / size,) * size
    rest = (1.0 - math.fsum(pmf)) / ties
    return tuple([rest if score == best else p for score, p in zip(scores, pmf, strict=True)])


_Rule = Callable[[Scores, Mapping[str, float], int, float], Pmf]
_RULES: Mapping[str, _Rule] = {
    "epsilon_greedy": lambda scores, given, _examples, _scale: epsilon_greedy(
        scores, given["epsilon"]
    ),
    "softmax": lambda scores, given, _examples, scale: softmax(scores, given["lambda"] / scale),
    "squarecb": lambda scores, given, examples, scale: squarecb(
        scores, given["gamma_scale"] * power(float(examples), given["gamma_exponent"]) / scale
    ),
}
