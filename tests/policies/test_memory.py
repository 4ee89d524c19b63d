"""Vowpal Wabbit leaks every example that is not finished; days of serving must not."""

from __future__ import annotations

import gc
from collections.abc import Callable

import psutil
import pytest

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import InputError, PolicyError
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.vowpal import VowpalModel

ROUNDS = 3000
ALLOWED_BYTES = 4_000_000  # an unfinished example of six arms leaks 220 KB


@pytest.fixture
def model() -> VowpalModel:
    return VowpalModel.fresh(vowpal_arguments(Exploration()))


@pytest.fixture
def lines(text: FeatureText) -> list[str]:
    context = {"cart_value": 82.5, "country": "GB", "returning": True}
    return text.lines(context, ("nothing", "upgrade", "insurance", "parking"))


def growth(call: Callable[[], object]) -> int:
    process = psutil.Process()
    for _ in range(300):
        call()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(ROUNDS):
        call()
    gc.collect()
    return int(process.memory_info().rss - before)


def test_predicting_keeps_its_memory(model: VowpalModel, lines: list[str]) -> None:
    assert growth(lambda: model.predict(lines)) < ALLOWED_BYTES


def test_learning_keeps_its_memory(model: VowpalModel, lines: list[str]) -> None:
    assert growth(lambda: model.score_and_learn(lines, 1, -0.5)) < ALLOWED_BYTES


def test_a_loaded_model_is_small(model: VowpalModel, lines: list[str]) -> None:
    """Vowpal Wabbit's default ring of examples alone takes 8 MB for each model."""
    model.score_and_learn(lines, 1, -0.5)
    blob, process = model.save(), psutil.Process()
    loaded = [VowpalModel.load(blob)]
    before = process.memory_info().rss
    loaded += [VowpalModel.load(blob) for _ in range(20)]
    assert (process.memory_info().rss - before) / 20 < 3_000_000
    assert {tuple(each.predict(lines)) for each in loaded} == {tuple(model.predict(lines))}


def test_loaded_models_of_many_arms_keep_no_examples_each(model: VowpalModel) -> None:
    """A workspace keeps 33 KB for each line that it ever parsed at once."""
    lines = ["shared |c country=GB", *[f"|a @offer-{number}" for number in range(100)]]
    model.score_and_learn(lines, 1, -0.5)
    blob, process = model.save(), psutil.Process()
    loaded = [VowpalModel.load(blob) for _ in range(21)]
    expected = model.predict(lines)
    assert loaded[0].predict(lines) == expected
    before = process.memory_info().rss
    assert all(each.predict(lines) == expected for each in loaded)
    assert (process.memory_info().rss - before) / 20 < 300_000


def test_a_refused_label_keeps_its_memory(model: VowpalModel, lines: list[str]) -> None:
    def refused() -> None:
        with pytest.raises(InputError):
            model.predict_and_learn(lines, 1, -0.5, 0.0)

    assert growth(refused) < ALLOWED_BYTES


def test_a_failure_inside_vowpal_wabbit_keeps_its_memory(
    model: VowpalModel, lines: list[str]
) -> None:
    two_labels = [*lines[:-1], f"0:1:0.5 {lines[-1]}"]

    def failed() -> None:
        with pytest.raises(PolicyError):
            model.predict_and_learn(two_labels, 1, -0.5, 0.25)

    assert growth(failed) < ALLOWED_BYTES
