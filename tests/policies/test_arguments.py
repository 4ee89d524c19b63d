from __future__ import annotations

import pytest

from bandit_platform.domain.policy_spec import EXPLORATIONS, Exploration, ServingPolicy
from bandit_platform.policies import arguments
from bandit_platform.policies.arguments import model_hash, policy_hash, vowpal_arguments


def test_the_default_is_the_sound_one() -> None:
    assert vowpal_arguments(Exploration()) == (
        "--cb_adf --cb_type mtr "
        "--interactions ca --bit_precision 15 --random_seed 1 --quiet --learning_rate 0.05"
    )


def test_interactions_and_learning_rate_reach_vowpal_wabbit() -> None:
    given = Exploration(interactions=("context*arm", "context*context*arm"), learning_rate=0.25)
    text = vowpal_arguments(given)
    assert "--interactions ca --interactions cca " in text
    assert text.endswith("--learning_rate 0.25")


def test_explorations_share_a_model_and_are_policies_of_their_own() -> None:
    every = [Exploration(exploration=name) for name in EXPLORATIONS]
    assert len({model_hash(each) for each in every}) == 1
    assert len({policy_hash(each) for each in every}) == len(every)


@pytest.mark.parametrize(
    "changed",
    [
        {"exploration": "softmax"},
        {"parameters": {"gamma_scale": 11.0}},
        {"interactions": ()},
        {"learning_rate": 0.1},
        {"floor": 0.5},
        {"minimum_value": 0.2},
    ],
)
def test_what_changes_the_policy_changes_its_hash(changed: dict[str, object]) -> None:
    assert policy_hash(Exploration(**changed)) != policy_hash(Exploration())


@pytest.mark.parametrize("changed", [{"interactions": ()}, {"learning_rate": 0.1}])
def test_what_changes_the_model_changes_its_hash(changed: dict[str, object]) -> None:
    assert model_hash(Exploration(**changed)) != model_hash(Exploration())


@pytest.mark.parametrize(
    "changed",
    [{"exploration": "softmax"}, {"floor": 0.5}, {"minimum_value": 0.2}],
)
def test_what_leaves_the_model_as_it_is_leaves_its_hash(changed: dict[str, object]) -> None:
    assert model_hash(Exploration(**changed)) == model_hash(Exploration())


def test_what_leaves_the_policy_as_it_is_leaves_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    same = ServingPolicy(mode="shadow", parameters={"gamma_scale": 10.0})
    before = policy_hash(Exploration())
    assert policy_hash(same) == before
    monkeypatch.setattr(arguments, "ENCODING_VERSION", -1)
    assert policy_hash(Exploration()) != before
