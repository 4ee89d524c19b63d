from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import InputError, PolicyError
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import VowpalModel, blob_hash

LINES = ["shared |c country=GB", "|a @nothing", "|a @upgrade", "|a @parking"]


#: a model that explores by itself, as in evaluations of logs
EXPLORING = "--cb_explore_adf --squarecb --cb_type mtr --interactions ca --quiet"


@pytest.fixture
def model() -> VowpalModel:
    return VowpalModel.fresh(EXPLORING)


@pytest.fixture
def regression() -> VowpalModel:
    return VowpalModel.fresh(vowpal_arguments(Exploration()))


@pytest.fixture
def blob(fresh: Callable[[str], LearnedPolicy], train: Any, steps: list[Any]) -> bytes:
    policy = fresh("squarecb")
    train(policy, steps)
    return policy.save()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ({"propensity": 0.0}, "propensity"),
        ({"propensity": -0.5}, "propensity"),
        ({"propensity": 1.0000001}, "propensity"),
        ({"propensity": math.nan}, "propensity"),
        ({"propensity": math.inf}, "propensity"),
        ({"propensity": 1e-60}, "propensity"),
        ({"propensity": 9.87654321e-30}, "propensity"),
        ({"cost": math.nan}, "reward"),
        ({"cost": math.inf}, "reward"),
        ({"cost": -math.inf}, "reward"),
        ({"cost": 1e300}, "reward"),
        ({"position": -1}, "position"),
        ({"position": 3}, "position"),
    ],
)
def test_a_label_that_would_be_misread_is_refused_and_nothing_is_learned(
    model: VowpalModel, label: dict[str, Any], words: str
) -> None:
    before = model.save()
    with pytest.raises(InputError, match=words):
        model.predict_and_learn(LINES, **{"position": 1, "cost": 0.5, "propensity": 0.5, **label})
    assert model.save() == before


@pytest.mark.parametrize("propensity", [1e-5, 0.5, 1.0])
@pytest.mark.parametrize("cost", [-1.0, 0.0, 1e-8, 3.0])
def test_a_sound_label_is_learned(model: VowpalModel, cost: float, propensity: float) -> None:
    before = model.save()
    assert model.predict_and_learn(LINES, 1, cost, propensity) == model_untrained(LINES)
    assert model.save() != before


def model_untrained(lines: list[str]) -> list[float]:
    return VowpalModel.fresh(EXPLORING).predict(lines)


def test_a_lower_cost_makes_an_arm_more_likely(model: VowpalModel) -> None:
    for _ in range(30):
        model.predict_and_learn(LINES, 1, -1.0, 0.5)
        model.predict_and_learn(LINES, 2, 1.0, 0.5)
    nothing, upgrade, parking = model.predict(LINES)
    assert upgrade > nothing > parking


def test_a_regression_predicts_costs_and_scores_before_it_learns(
    regression: VowpalModel,
) -> None:
    assert regression.predict(LINES) == [0.0, 0.0, 0.0]
    for place in range(90):
        expected = regression.predict(LINES)
        assert regression.score_and_learn(LINES, place % 3, (0.0, -1.0, 1.0)[place % 3]) == expected
    nothing, upgrade, parking = regression.predict(LINES)
    assert upgrade < nothing < parking


def test_a_closed_model_says_so(model: VowpalModel) -> None:
    model.close()
    model.close()
    calls: list[Callable[[], Any]] = [
        model.save,
        lambda: model.predict(LINES),
        lambda: model.predict_and_learn(LINES, 0, 0.0, 0.5),
        lambda: model.score_and_learn(LINES, 0, 0.0),
    ]
    for call in calls:
        with pytest.raises(PolicyError, match="the model is closed"):
            call()


def test_arguments_that_are_refused_are_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="refuses the arguments"):
        VowpalModel.fresh("--cb_explore_adf --epsilon 5 --quiet")
    with pytest.raises(PolicyError, match="refuses the arguments"):
        VowpalModel.fresh("--no_such_option")


def test_input_that_vowpal_wabbit_refuses_is_a_policy_error_and_harms_nothing(
    model: VowpalModel,
) -> None:
    model.predict_and_learn(LINES, 1, -1.0, 0.5)
    expected = model.predict(LINES)
    two_labels = [*LINES[:3], f"0:1:0.5 {LINES[3]}"]
    with pytest.raises(PolicyError, match="only one line can have a cost"):
        model.predict_and_learn(two_labels, 1, -1.0, 0.5)
    assert model.predict(LINES) == expected
    model.predict_and_learn(LINES, 1, -1.0, 0.5)


def test_a_blob_cut_off_before_its_weights_is_refused(blob: bytes) -> None:
    for length in range(0, blob.index(b"--random_seed 1") + 15, 9):
        with pytest.raises(PolicyError, match="cannot be loaded"):
            LearnedPolicy.load(blob[:length])


@pytest.mark.parametrize("rubbish", [b"", b"no model", bytes(2000), b"\xff" * 2000])
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(PolicyError, match="cannot be loaded"):
        LearnedPolicy.load(rubbish)


def test_a_byte_changed_in_the_arguments_is_refused(blob: bytes) -> None:
    place = blob.index(b"--cb_adf")
    for offset in range(0, 40, 7):
        altered = bytearray(blob)
        altered[place + offset] ^= 0x01
        with pytest.raises(PolicyError, match="cannot be loaded"):
            LearnedPolicy.load(bytes(altered))


def test_every_changed_byte_changes_the_hash(blob: bytes) -> None:
    """Weights carry no checksum of their own: the hash beside a blob is what protects them."""
    for place in range(0, len(blob), 11):
        altered = bytearray(blob)
        altered[place] ^= 0x80
        assert blob_hash(bytes(altered)) != blob_hash(blob)
    assert blob_hash(blob) == blob_hash(bytes(blob))


def test_a_folder_with_a_space_in_its_name_is_no_obstacle(
    blob: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "My Documents --quiet -b 3"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert LearnedPolicy.load(blob).save() == blob
    assert list(folder.iterdir()) == []


def test_loaded_models_that_share_a_parser_predict_as_each_would_alone(
    regression: VowpalModel,
) -> None:
    blobs, expected = [], []
    for position in range(3):
        for _ in range(5):
            regression.score_and_learn(LINES, position, -1.0 - position)
        blobs.append(regression.save())
        expected.append(regression.predict(LINES))
    loaded = [VowpalModel.load(blob) for blob in blobs]
    exploring = VowpalModel.load(VowpalModel.fresh(EXPLORING).save())
    assert len({tuple(each) for each in expected}) == 3
    assert sum(exploring.predict(LINES)) == pytest.approx(1.0)  # other arguments, another parser
    assert [each.predict(LINES) for each in loaded] == expected
    loaded[0].close()  # the first one loaded, whose blob the parser has
    assert [each.predict(LINES) for each in loaded[1:]] == expected[1:]


def test_a_loaded_model_learns_on_as_the_one_that_was_saved(regression: VowpalModel) -> None:
    regression.score_and_learn(LINES, 0, -1.0)
    loaded = VowpalModel.load(regression.save())
    for position in (1, 2, 1):
        assert loaded.predict(LINES) == regression.predict(LINES)
        expected = regression.score_and_learn(LINES, position, -0.5)
        assert loaded.score_and_learn(LINES, position, -0.5) == expected
    assert loaded.save() == regression.save()
