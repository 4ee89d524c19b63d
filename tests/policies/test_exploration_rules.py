"""The exploration rules by their properties, and against Vowpal Wabbit's own."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vowpalwabbit import Workspace

from bandit_platform.domain.policy_spec import EXPLORATIONS, Exploration
from bandit_platform.errors import PolicyError
from bandit_platform.policies.exploration import arm_probabilities, softmax, squarecb

rules = st.sampled_from(list(EXPLORATIONS)).flatmap(
    lambda name: st.builds(
        Exploration,
        exploration=st.just(name),
        parameters=st.fixed_dictionaries(
            {p: st.floats(0.0, 1.0 if p == "epsilon" else 10.0) for p in EXPLORATIONS[name]}
        ),
    )
)
scores = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)
examples = st.integers(0, 10**7)


@given(rules, scores, examples, st.floats(1e-3, 1e3))
@example(Exploration(parameters={"gamma_scale": 1e9, "gamma_exponent": 10.0}), [0.0, 1.0], 99, 1.0)
def test_probabilities_sum_to_one_and_follow_the_scores(
    rule: Exploration, given_scores: list[float], learned: int, scale: float
) -> None:
    pmf = arm_probabilities(rule, given_scores, examples=learned, scale=scale)
    assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)
    assert min(pmf) >= 0.0
    ranked = sorted(zip(given_scores, pmf, strict=True))
    for (lower, less), (higher, more) in itertools.pairwise(ranked):
        assert less <= more + 1e-15
        if lower == higher:
            assert less == more


@given(rules, scores, examples, st.randoms(use_true_random=False))
def test_the_order_of_the_arms_changes_no_probability(
    rule: Exploration, given_scores: list[float], learned: int, chance: Any
) -> None:
    order = list(range(len(given_scores)))
    chance.shuffle(order)
    pmf = arm_probabilities(rule, given_scores, examples=learned)
    again = arm_probabilities(rule, [given_scores[i] for i in order], examples=learned)
    assert again == pytest.approx([pmf[i] for i in order], abs=1e-15)


@given(st.floats(0.01, 100.0), scores, st.floats(1e-2, 1e2))
def test_a_unit_of_reward_twice_as_large_changes_nothing_where_the_scale_follows(
    factor: float, given_scores: list[float], scale: float
) -> None:
    rule = Exploration()
    scaled = [score * factor for score in given_scores]
    assert arm_probabilities(rule, scaled, examples=500, scale=scale * factor) == pytest.approx(
        arm_probabilities(rule, given_scores, examples=500, scale=scale), abs=1e-9
    )


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    with pytest.raises(PolicyError, match="not a finite number"):
        arm_probabilities(Exploration(), [0.0, score], examples=3)


def test_hand_computed_cases() -> None:
    assert squarecb([0.0, 1.0, 0.5], 6.0) == (1 / 9, 1 - 1 / 9 - 1 / 6, 1 / 6)
    assert squarecb([2.0, 2.0, 1.0], 3.0) == (5 / 12, 5 / 12, 1 / 6)
    assert softmax([0.0, math.log(3.0)], 1.0) == pytest.approx((0.25, 0.75))
    greedy = Exploration(exploration="epsilon_greedy", parameters={"epsilon": 0.3})
    assert arm_probabilities(greedy, [1.0, 5.0, 5.0], examples=0) == pytest.approx(
        (0.1, 0.45, 0.45)
    )


#: Vowpal Wabbit's own exploration → ours
OWN = {
    "--squarecb --gamma_scale 10 --gamma_exponent 0.5": Exploration(),
    "--squarecb --gamma_scale 3 --gamma_exponent 0.25": Exploration(
        parameters={"gamma_scale": 3.0, "gamma_exponent": 0.25}
    ),
    "--epsilon 0.1": Exploration(exploration="epsilon_greedy"),
    "--softmax --lambda 10": Exploration(exploration="softmax"),
}


@pytest.mark.parametrize("arguments", OWN)
def test_the_same_scores_give_what_vowpal_wabbit_gives_to_single_precision(arguments: str) -> None:
    """An exploring model and a plain one hold the same weights, since both learn the same labels.

    The last arm line is never labelled: there Vowpal Wabbit's SquareCB forgets to set the
    propensity to 1.
    """
    same = "--cb_type mtr --interactions ca --quiet --learning_rate 0.5"
    exploring: Any = Workspace(f"--cb_explore_adf {arguments} {same}")
    plain: Any = Workspace(f"--cb_adf {same}")
    rule, differences = OWN[arguments], []
    for step in range(300):
        lines = _lines(step)
        theirs, costs = _ask(exploring, lines), _ask(plain, lines)
        ours = arm_probabilities(rule, [-cost for cost in costs], examples=step)
        if len(set(costs)) == len(costs):
            differences.append(max(abs(a - b) for a, b in zip(ours, theirs, strict=True)))
        drawn = 1 + step % 3
        cost = (step * 7919 % 13) / 13 - 0.4 * (drawn == 2)
        labelled = [*lines]
        labelled[drawn] = f"0:{cost}:1 {lines[drawn]}"
        for workspace in (exploring, plain):
            workspace.learn(labelled)
    assert len(differences) > 290
    assert max(differences) < 2e-6
    exploring.finish()
    plain.finish()


def _lines(step: int) -> list[str]:
    shared = f"shared |c country={'GB' if step % 2 else 'US'} value:{step % 5}"
    return [shared, "|a @nothing", "|a @upgrade price:3", "|a @parking price:1", "|a @last"]


def _ask(workspace: Any, lines: list[str]) -> list[float]:
    return list(workspace.predict(lines))
