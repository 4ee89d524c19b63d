"""Target policies that are models: learned progressively on the log, or loaded from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import EXPLORATIONS, Exploration
from bandit_platform.errors import InputError, PolicyArgumentsError, PolicyError
from bandit_platform.ope.logs.log import NOTHING, DecisionLog
from bandit_platform.ope.logs.targets import Target, TargetSource, from_pmf
from bandit_platform.ope.reward_range import RewardRange

if TYPE_CHECKING:
    from bandit_platform.policies.exploration import Explorer
    from bandit_platform.policies.learned import LearnedPolicy
    from bandit_platform.policies.self_exploring import SelfExploringModel

Progress = Callable[[int], None]
"""Told how many rows were done."""


class ModelTarget:
    """Gives a Vowpal Wabbit model's PMF for each row of a log, in order.

    With ``learns``, each row is first predicted and only then learned (progressive validation),
    so no row is ever valued by a model that has seen its reward.
    """

    def __init__(
        self,
        policy: str,
        model: LearnedPolicy | SelfExploringModel,
        *,
        learns: bool,
        explorer: Explorer | None,
        floor: float,
        scale: RewardRange,
        spec: ExperimentSpec | None,
        progress: Progress,
    ) -> None:
        """Set up.

        Args:
            policy: the specification under which the policy was asked for.
            model: predicts, and learns if so.
            learns: learn each row after predicting it.
            explorer: how a model of ours explores; None for one of Vowpal Wabbit's own.
            floor: least propensity of the logging policy.
            scale: declared reward range; the learner minimises the shortfall from its top.
            spec: experiment whose arm features and encoding the model knows.
            progress: told how many rows were done.
        """
        self.policy, self.model, self.learns = policy, model, learns
        self.explorer, self.floor, self.scale = explorer, floor, scale
        self.progress = progress
        self._spec = spec
        self._rows = 0

    def __call__(self, log: DecisionLog) -> Target:
        """The policy on the next rows.

        Raises:
            InputError: the model does not give probabilities over the arms.
        """
        pmf = np.zeros((len(log), len(log.arms)))
        for row, (lines, codes) in enumerate(_examples(log, self._spec)):
            pmf[row, codes] = self._step(log, row, lines, codes)
        self.progress(len(log))
        return from_pmf(log, self.policy, pmf, floor=self.floor)

    def _step(
        self, log: DecisionLog, row: int, lines: list[str], codes: npt.NDArray[np.intp]
    ) -> tuple[float, ...]:
        from bandit_platform.policies.learned import LearnedPolicy  # noqa: PLC0415 - slow

        model, explorer = self.model, self.explorer
        try:
            position = int(np.searchsorted(codes, log.arm[row]))
            cost = self._cost(float(log.reward[row]))
            if isinstance(model, LearnedPolicy) and explorer is not None:
                nothing = _position_of_nothing(log, codes)
                if not self.learns:
                    return model.pmf(lines, explorer, nothing)
                self._rows += 1
                return model.predict_and_learn(
                    lines, explorer, nothing, position=position, cost=cost, interaction=self._rows
                )
            if isinstance(model, LearnedPolicy):
                raise InputError(f"{self.policy}: no exploration is given")
            if not self.learns:
                return model.pmf(lines)
            propensity = float(log.propensity[row])
            return model.predict_and_learn(
                lines, position=position, cost=cost, propensity=propensity
            )
        except PolicyError as why:
            raise InputError(
                f"{self.policy}: {why}; give a model that explores (--cb_explore_adf)"
            ) from why

    def _cost(self, reward: float) -> float:
        """Shortfall against no reward, in widths of the range, so that an unseen arm costs 0."""
        return -(reward - self.scale.clip(0.0)) / self.scale.width


def _position_of_nothing(log: DecisionLog, codes: npt.NDArray[np.intp]) -> int | None:
    """Where ``nothing`` is among the eligible arms of a row; None where it is not."""
    if NOTHING not in log.arms:
        return None
    code = log.code(NOTHING)
    position = int(np.searchsorted(codes, code))
    return position if position < len(codes) and codes[position] == code else None


def _examples(
    log: DecisionLog, spec: ExperimentSpec | None
) -> Iterator[tuple[list[str], npt.NDArray[np.intp]]]:
    """Each row's VW text and the codes of its eligible arms in ascending order."""
    from bandit_platform.policies.features import FeatureText, encode, feature  # noqa: PLC0415

    every = np.arange(len(log.arms))
    if spec is not None:
        text = FeatureText(spec)
        arm_lines = [text.lines({}, [arm])[1] for arm in log.arms]
    else:
        arm_lines = [f"|a @{encode(arm)}" for arm in log.arms]
    shared = ["shared |c"] * len(log)
    if log.context is not None:
        columns = [
            [None if _missing(cell) else feature(str(name), _plain(cell)) for cell in column]
            for name, column in log.context.items()
        ]
        rows = zip(*columns, strict=True)
        shared = [" ".join(["shared |c", *(cell for cell in row if cell)]) for row in rows]
    for row in range(len(log)):
        codes = every if log.eligible is None else np.flatnonzero(log.eligible[row])
        yield [shared[row], *(arm_lines[code] for code in codes)], codes


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and not np.isfinite(cell))


def _plain(cell: Any) -> float | str | bool | tuple[str, ...]:
    if isinstance(cell, tuple):
        return cell
    if isinstance(cell, (bool, np.bool_)):
        return bool(cell)
    if isinstance(cell, (int, float, np.number)):
        return float(cell)
    return str(cell)


def learning_model(
    policy: str,
) -> tuple[LearnedPolicy | SelfExploringModel, Explorer | None]:
    """A fresh model for a ``learn:`` specification, and how a model of ours explores.

    Raises:
        PolicyArgumentsError: neither a preset nor arguments that give a PMF.
    """
    from bandit_platform.policies.exploration import Explorer  # noqa: PLC0415 - slow
    from bandit_platform.policies.learned import LearnedPolicy  # noqa: PLC0415
    from bandit_platform.policies.self_exploring import SelfExploringModel  # noqa: PLC0415
    from bandit_platform.policies.vowpal import VowpalModel  # noqa: PLC0415

    asked = policy.partition(":")[2].strip()
    if asked in EXPLORATIONS:
        exploration = Exploration(exploration=asked)
        return LearnedPolicy.fresh(exploration), Explorer(exploration)
    presets = ", ".join(EXPLORATIONS)
    if "--cb_explore_adf" not in asked.split():
        raise PolicyArgumentsError(
            f"{policy}: give a preset ({presets}) or Vowpal Wabbit arguments with --cb_explore_adf"
        )
    _refuse_files(policy, asked.split())
    try:
        return SelfExploringModel(VowpalModel.fresh(f"{asked} --quiet")), None
    except PolicyError as why:
        raise PolicyArgumentsError(f"{policy}: {why}") from why


def _refuse_files(policy: str, words: Sequence[str]) -> None:
    """Arguments that read or write files are none of a policy's business."""
    for word in words:
        name = word.partition("=")[0]
        if name in _FILES:
            raise PolicyArgumentsError(f"{policy}: {name} has no place in a policy; leave it out")


_FILES = frozenset(
    {
        "-f", "--final_regressor", "-i", "--initial_regressor", "-d", "--data", "-p",
        "--predictions", "-r", "--raw_predictions", "-c", "--cache", "--cache_file",
        "--readable_model", "--invert_hash", "--daemon", "--port", "-a", "--audit",
    }
)  # fmt: skip


def loaded_model(policy: str) -> tuple[LearnedPolicy | SelfExploringModel, Explorer | None]:
    """The model in the file of a ``model:`` specification: one of ours, or Vowpal Wabbit's.

    Raises:
        InputError: no such file, or it holds no model.
    """
    from bandit_platform.policies.exploration import Explorer  # noqa: PLC0415 - slow
    from bandit_platform.policies.learned import LearnedPolicy  # noqa: PLC0415
    from bandit_platform.policies.self_exploring import SelfExploringModel  # noqa: PLC0415
    from bandit_platform.policies.stored_model import is_packed  # noqa: PLC0415
    from bandit_platform.policies.vowpal import VowpalModel  # noqa: PLC0415

    path = Path(policy.partition(":")[2])
    try:
        blob = path.read_bytes()
        if is_packed(blob):
            learned = LearnedPolicy.load(blob)
            return learned, Explorer(learned.exploration, floor=0.0)
        return SelfExploringModel(VowpalModel.load(blob)), None
    except OSError as why:
        raise InputError(f"{policy}: {why.strerror}") from why
    except PolicyError as why:
        raise InputError(f"{policy}: {why}") from why


def is_model(policy: str) -> bool:
    """The specification names a model, learned on the log or loaded."""
    return policy.startswith(("learn:", "model:"))


def no_progress(_: int) -> None:
    """Told of progress, does nothing."""


def model_sources(
    policies: Sequence[str],
    *,
    floor: float,
    scale: RewardRange,
    spec: ExperimentSpec | None,
    progress: Progress = no_progress,
) -> dict[str, TargetSource]:
    """The policies among these that are models.

    Args:
        policies: specifications.
        floor: least propensity of the logging policy.
        scale: declared reward range.
        spec: experiment whose arm features and encoding the models know.
        progress: told how many rows were done.

    Raises:
        InputError: a model that cannot be made or loaded.
    """
    found: dict[str, TargetSource] = {}
    for policy in dict.fromkeys(policies):
        if not is_model(policy):
            continue
        learns = policy.startswith("learn:")
        model, explorer = learning_model(policy) if learns else loaded_model(policy)
        found[policy] = ModelTarget(
            policy,
            model,
            learns=learns,
            explorer=explorer,
            floor=floor,
            scale=scale,
            spec=spec,
            progress=progress,
        )
    return found
