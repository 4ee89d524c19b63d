from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from vowpalwabbit import LabelType, Workspace

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy

ARMS = ("nothing", "upgrade", "insurance", "parking")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One decision to learn from."""

    lines: list[str]
    position: int
    cost: float


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What Vowpal Wabbit made of a text."""

    #: namespace → weights of its features, the constant left out; the shared line first
    lines: list[dict[str, list[float]]]

    @property
    def shared(self) -> dict[str, list[float]]:
        return self.lines[0]

    @property
    def arms(self) -> list[dict[str, list[float]]]:
        return self.lines[1:]


@pytest.fixture(scope="package")
def shop() -> ExperimentSpec:
    """Three arms beside nothing, numbers, texts and booleans in the context."""
    return parse_tables(
        {
            "key": "shop",
            "placement": "cart",
            "context": {
                "cart_value": {"type": "number"},
                "country": {"type": "category"},
                "returning": {"type": "boolean"},
            },
            "arms": [
                {"key": "upgrade", "features": {"margin": 12.0, "kind": "own", "new": True}},
                {"key": "insurance", "features": {"margin": 3.0, "kind": "partner"}},
                {"key": "parking"},
            ],
            "reward": {"range": [-1.0, 1.0], "accept": 1.0},
        }
    )


@pytest.fixture(scope="package")
def text(shop: ExperimentSpec) -> FeatureText:
    return FeatureText(shop)


@pytest.fixture(scope="package")
def steps(text: FeatureText) -> list[Step]:
    """Decisions whose eligible arms, outcomes and propensities vary, seeded."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(240):
        arms = [*ARMS[:1], *rng.permutation(ARMS[1:])[: rng.integers(1, 4)]]
        context = {
            "cart_value": float(rng.gamma(2.0, 40.0)),
            "country": str(rng.choice(["GB", "US", "FR"])),
            "returning": bool(rng.random() < 0.5),
        }
        found.append(
            Step(
                lines=text.lines(context, arms),
                position=int(rng.integers(len(arms))),
                cost=float(rng.choice([-1.0, -0.3, 0.0, 0.0, 0.6])),
            )
        )
    return found


@pytest.fixture(scope="package")
def train() -> Callable[[LearnedPolicy, Sequence[Step]], list[tuple[float, ...]]]:
    """Teaches a policy; gives the PMFs it had before each step."""

    numbers = itertools.count()

    def teach(policy: LearnedPolicy, some: Sequence[Step]) -> list[tuple[float, ...]]:
        return [
            policy.predict_and_learn(
                step.lines,
                Explorer(policy.exploration, floor=0.05),
                0,
                position=step.position,
                cost=step.cost,
                interaction=next(numbers),
            )
            for step in some
        ]

    return teach


@pytest.fixture(scope="package")
def parse() -> Iterator[Callable[[list[str]], Parsed]]:
    """Parses VW text with Vowpal Wabbit itself."""
    workspace: Any = Workspace("--cb_explore_adf --interactions ca --quiet")

    def read(lines: list[str]) -> Parsed:
        examples = workspace.parse(lines, LabelType.CONTEXTUAL_BANDIT)
        try:
            return Parsed(lines=[_namespaces(example) for example in examples])
        finally:
            workspace.finish_example(examples)

    yield read
    workspace.finish()


def _namespaces(example: Any) -> dict[str, list[float]]:
    constant = 128
    codes = [example.namespace(i) for i in range(example.num_namespaces())]
    return {
        chr(code): [
            example.feature_weight(chr(code), i) for i in range(example.num_features_in(chr(code)))
        ]
        for code in codes
        if code != constant
    }


@pytest.fixture
def fresh() -> Callable[[str], LearnedPolicy]:
    """An untrained policy of an exploration, with its default parameters."""
    return lambda name: LearnedPolicy.fresh(Exploration(exploration=name))
