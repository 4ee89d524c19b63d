"""What must hold for every exploration that the platform offers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bandit_platform.domain.floor import FloorTable, least_nothing, least_offer
from bandit_platform.domain.policy_spec import EXPLORATIONS, Exploration
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy

FLOOR = 0.05
CONTEXTS = [
    {"cart_value": value, "country": country, "returning": returning}
    for value in (0.0, 12.5, 400.0)
    for country in ("GB", "US", "elsewhere")
    for returning in (True, False)
]
ELIGIBLE = ("nothing", "upgrade", "insurance", "parking")

Train = Callable[[LearnedPolicy, Sequence[object]], list[tuple[float, ...]]]
Fresh = Callable[[str], LearnedPolicy]

every_exploration = pytest.mark.parametrize("name", list(EXPLORATIONS))


def explorer(policy: LearnedPolicy) -> Explorer:
    return Explorer(policy.exploration, floor=FLOOR)


def pmfs(policy: LearnedPolicy, text: FeatureText) -> list[tuple[float, ...]]:
    return [policy.pmf(text.lines(context, ELIGIBLE), explorer(policy), 0) for context in CONTEXTS]


@every_exploration
def test_pmfs_are_sound_and_above_the_floor_while_learning(
    name: str, fresh: Fresh, train: Train, steps: list[object]
) -> None:
    for pmf in train(fresh(name), steps):
        assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)
        assert min(pmf) >= FLOOR / len(pmf)


@every_exploration
def test_a_saved_model_gives_the_same_pmfs_bit_for_bit(
    name: str, fresh: Fresh, train: Train, steps: list[object], text: FeatureText
) -> None:
    policy = fresh(name)
    untrained = pmfs(policy, text)
    train(policy, steps)
    assert pmfs(policy, text) != untrained
    loaded = LearnedPolicy.load(policy.save())
    assert pmfs(loaded, text) == pmfs(policy, text)
    assert loaded.save() == policy.save()


def train_in_parts(
    policy: LearnedPolicy, train: Train, steps: list[object], cuts: tuple[int, ...]
) -> tuple[LearnedPolicy, list[tuple[float, ...]]]:
    """Trains with a save and a load at each cut; the policy in the end and its PMFs on the way."""
    told = []
    for start, end in itertools.pairwise((0, *cuts, len(steps))):
        told += train(policy, steps[start:end])
        policy = LearnedPolicy.load(policy.save())
    return policy, told


@every_exploration
@pytest.mark.parametrize("cuts", [(1,), (120,), (50, 51, 200), tuple(range(1, 240, 7))])
def test_training_in_parts_equals_training_in_one_go_bit_for_bit(
    name: str, cuts: tuple[int, ...], fresh: Fresh, train: Train, request: pytest.FixtureRequest
) -> None:
    steps, text = request.getfixturevalue("steps"), request.getfixturevalue("text")
    whole = fresh(name)
    told = train(whole, steps)
    part, told_in_parts = train_in_parts(fresh(name), train, steps, cuts)
    assert told_in_parts == told
    assert pmfs(part, text) == pmfs(whole, text)


@every_exploration
def test_predicting_changes_nothing(
    name: str, fresh: Fresh, train: Train, steps: list[object], text: FeatureText
) -> None:
    policy, undisturbed = fresh(name), fresh(name)
    first = train(policy, steps[:100])
    assert pmfs(policy, text) == pmfs(policy, text)
    assert first + train(policy, steps[100:]) == train(undisturbed, steps)


@every_exploration
def test_the_pmf_before_learning_is_the_one_that_would_have_been_served(
    name: str, fresh: Fresh, train: Train, steps: list[object]
) -> None:
    policy = fresh(name)
    for step in steps[:60]:
        served = policy.pmf(step.lines, explorer(policy), 0)
        assert train(policy, [step]) == [served]


@every_exploration
@pytest.mark.parametrize("best", ELIGIBLE)
def test_the_arm_that_always_earns_is_found_whatever_its_position(
    name: str, best: str, fresh: Fresh, text: FeatureText
) -> None:
    policy = fresh(name)
    numbers = itertools.count()
    orders = list(itertools.permutations(ELIGIBLE))
    for order, context in zip(orders * 12, itertools.cycle(CONTEXTS)):
        for arm in (best, next(each for each in order if each != best)):
            policy.predict_and_learn(
                text.lines(context, order),
                explorer(policy),
                order.index("nothing"),
                position=order.index(arm),
                cost=-1.0 if arm == best else 0.0,
                interaction=next(numbers),
            )
    for order, context in zip(orders, itertools.cycle(CONTEXTS)):
        pmf = policy.pmf(text.lines(context, order), explorer(policy), order.index("nothing"))
        assert order[pmf.index(max(pmf))] == best
        assert max(pmf) > 0.5


@every_exploration
def test_a_choice_of_one_arm_is_certain_and_teaches_nothing(
    name: str, fresh: Fresh, text: FeatureText
) -> None:
    policy = fresh(name)
    before = policy.save()
    lines = text.lines({"country": "GB"}, ("nothing",))
    assert policy.pmf(lines, explorer(policy), 0) == (1.0,)
    assert policy.predict_and_learn(
        lines, explorer(policy), 0, position=0, cost=-1.0, interaction=1
    ) == (1.0,)
    assert policy.save() == before


parameters = {
    "epsilon": st.floats(0.0, 1.0),
    "lambda": st.floats(0.0, 1e6),
    "gamma_scale": st.floats(0.0, 1e9),
    "gamma_exponent": st.floats(0.0, 10.0),
}
explorations = st.sampled_from(list(EXPLORATIONS)).flatmap(
    lambda name: st.builds(
        Exploration,
        exploration=st.just(name),
        parameters=st.fixed_dictionaries({p: parameters[p] for p in EXPLORATIONS[name]}),
        floor=st.floats(0.001, 1.0)
        | st.builds(FloorTable, nothing=st.floats(0.001, 0.5), offers=st.floats(0.001, 0.499)),
        minimum_value=st.just(0.0) | st.floats(0.0, 1e6),
        learning_rate=st.floats(1e-6, 100.0),
        interactions=st.sampled_from(
            [(), ("context*arm",), ("context*context*arm", "arm*arm"), ("context*context*context",)]
        ),
    )
)


@settings(max_examples=40)
@given(explorations)
@example(Exploration(exploration="softmax", parameters={"lambda": 1e6}, learning_rate=100.0))
@example(Exploration(parameters={"gamma_scale": 1e9, "gamma_exponent": 10.0}))
@example(Exploration(parameters={"gamma_scale": 0.0}))
def test_every_accepted_exploration_learns_extremes_and_stays_sound(
    text: FeatureText, exploration: Exploration
) -> None:
    policy = LearnedPolicy.fresh(exploration)
    for place, value in enumerate([0.0, 1.0, -3e38, 1e300, 1e-300, 1e6] * 3):
        pmf = policy.predict_and_learn(
            text.lines({"cart_value": value, "country": "GB"}, ELIGIBLE),
            Explorer(exploration),
            0,
            position=place % 4,
            cost=(-1.0) ** place,
            interaction=place,
        )
        assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)
        assert pmf[0] >= least_nothing(exploration.floor, 3)
        assert min(pmf[1:]) >= least_offer(exploration.floor, 3)
    policy.model.close()
