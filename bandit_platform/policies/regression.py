"""Vowpal Wabbit regression as a reward model for off-policy evaluation.

Slower than the linear model that is the default (a call for each row and arm), and able to find
interactions of context and arm online. It fits the protocol of ``ope.reward_model``.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from vowpalwabbit import Workspace

from bandit_platform.ope.estimators.reward_model import Codes
from bandit_platform.ope.reward_range import Floats
from bandit_platform.policies.numbers import number

_ARGUMENTS = "--quiet --random_seed 1 --bit_precision 18 --interactions xa"


@dataclass(frozen=True, kw_only=True, eq=False)
class VowpalRewardModel:
    """A trained regression, frozen as bytes and loaded to predict.

    Attributes:
        blob: the saved model.
        arms: number of arms.
    """

    blob: bytes
    arms: int

    def predicted(self, features: Floats) -> Floats:
        """q̂ on the scale [0, 1], shape (n, arms), for features of shape (n, d)."""
        workspace = _load(self.blob)
        predictions = np.empty((features.shape[0], self.arms))
        for row, text in enumerate(_texts(features)):
            for arm in range(self.arms):
                example = workspace.parse(f" {text} |a {arm}")
                try:
                    predictions[row, arm] = workspace.predict(example)
                finally:
                    workspace.finish_example(example)
        workspace.finish()
        return np.clip(predictions, 0.0, 1.0, out=predictions)


@dataclass(frozen=True, kw_only=True, eq=False)
class VowpalRewardLearner:
    """Learns rows one by one, in order.

    Attributes:
        blob: the model so far; None before the first row.
        arms: number of arms.
    """

    blob: bytes | None
    arms: int

    def updated(
        self, features: Floats, arm: Codes, reward: Floats, weight: Floats | None
    ) -> VowpalRewardLearner:
        """The learner after more rows; arguments as in ``ope.reward_model.RewardLearner``."""
        workspace = Workspace(_ARGUMENTS) if self.blob is None else _load(self.blob)
        weights = np.ones(arm.shape[0]) if weight is None else weight
        rows = zip(_texts(features), arm, reward, weights, strict=True)
        for text, code, label, importance in rows:
            example = workspace.parse(f"{number(label)} {number(importance)} {text} |a {code}")
            try:
                workspace.learn(example)
            finally:
                workspace.finish_example(example)
        blob = _save(workspace)
        workspace.finish()
        return VowpalRewardLearner(blob=blob, arms=self.arms)

    def fitted(self) -> VowpalRewardModel:
        """The model as of now."""
        blob = self.blob
        if blob is None:
            workspace = Workspace(_ARGUMENTS)
            blob = _save(workspace)
            workspace.finish()
        return VowpalRewardModel(blob=blob, arms=self.arms)


def vowpal_regression(arms: int, _width: int) -> VowpalRewardLearner:
    """An untrained learner, in the form that evaluations ask for."""
    return VowpalRewardLearner(blob=None, arms=arms)


def _texts(features: Floats) -> list[str]:
    """Each row's features; the first column is the constant, which VW has of its own."""
    return [
        "|x " + " ".join(f"{place}:{number(value)}" for place, value in enumerate(row) if value)
        for row in features[:, 1:].tolist()
    ]


def _save(workspace: Any) -> bytes:
    with tempfile.TemporaryDirectory(prefix="bandit-platform-") as folder:
        path = Path(folder) / "regression.vw"
        workspace.save(str(path))
        return path.read_bytes()


def _load(blob: bytes) -> Any:
    with tempfile.TemporaryDirectory(prefix="bandit-platform-") as folder:
        path = Path(folder) / "regression.vw"
        path.write_bytes(blob)
        return Workspace(arg_list=["-i", str(path), "--quiet"])
