"""Policies that only a running experiment knows: its published versions, and what it tracks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.errors import EvaluationError, NotFoundError, PolicyError
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.targets import Target, from_pmf
from bandit_platform.ope.reward_range import Floats
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.fixed import something
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.deployments.policies import policy_of_model
from bandit_platform.services.learning.recompute import RecomputedRow, recompute
from bandit_platform.services.learning.tracked import SOMETHING, policy_named, tracked_now
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import revisions
from bandit_platform.storage.interactions import Interaction
from bandit_platform.storage.models import model_blob, model_version, versions_by_number

_VERSION = re.compile(r"version:(\d+)")
_TICK = 500
Tick = Callable[[], None]
"""Told now and then that work goes on."""


class LiveSource(Protocol):
    """Policies whose probabilities come from the interactions themselves, not from a log."""

    def pmfs(self, rows: Sequence[Interaction], log: DecisionLog) -> dict[str, Floats]:
        """Policy → its PMF on the next rows, shape (n, k)."""


@dataclass(kw_only=True)
class Handed:
    """A policy whose probabilities are handed over a part at a time, and asked for in pieces."""

    policy: str
    floor: float
    _pmf: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _next: int = 0

    def hand(self, pmf: Floats) -> None:
        """Take the probabilities on the next part's rows."""
        self._pmf, self._next = pmf, 0

    def __call__(self, log: DecisionLog) -> Target:
        """The policy on the next rows."""
        rows = self._pmf[self._next : self._next + len(log)]
        self._next += len(log)
        return from_pmf(log, self.policy, rows, floor=self.floor)


def is_version(policy: str) -> bool:
    """The specification names a published version."""
    return _VERSION.fullmatch(policy) is not None


def unlearned_from(database: Database, experiment: str, policies: Sequence[str]) -> int:
    """How many interactions the versions among the policies had learned from, at most.

    Raises:
        NotFoundError: a version is not stored.
    """
    numbers = [int(match[1]) for name in policies if (match := _VERSION.fullmatch(name))]
    if not numbers:
        return 0
    with database.read() as connection:
        known = versions_by_number(connection, experiment)
    for number in numbers:
        if number not in known:
            there = f"versions {min(known)} to {max(known)}" if known else "no versions yet"
            raise NotFoundError(f"version {number} is not stored; there are {there}")
    return max(known[number] for number in numbers)


class Versions:
    """Published model versions, each as it was when it was published."""

    def __init__(self, database: Database, spec: ExperimentSpec, policies: Sequence[str]) -> None:
        """Load those among the policies.

        Raises:
            PolicyError: a stored model does not have its hash.
        """
        self.names = [name for name in policies if is_version(name)]
        self._loaded: dict[str, LearnedPolicy] = {}
        self._explorers: dict[str, Explorer] = {}
        with database.read() as connection:
            self._texts = {
                each.number: FeatureText(each.spec) for each in revisions(connection, spec.key)
            }
            for name in self.names:
                self._loaded[name] = _version_policy(connection, spec, name)
                policy = self._loaded[name].exploration
                self._explorers[name] = explorer_for(policy, spec)

    def pmfs(self, rows: Sequence[Interaction], log: DecisionLog) -> dict[str, Floats]:
        """Version → its PMF on the next rows."""
        made = {name: np.zeros((len(log), len(log.arms))) for name in self.names}
        for place, row in enumerate(rows if made else ()):
            text = self._texts[row.decision.revision]
            eligible = row.decision.eligible
            nothing = eligible.index(NOTHING)
            lines = text.lines(row.decision.context, eligible, row.decision.request_arms)
            codes = [log.code(arm) for arm in eligible]
            for name, policy in self._loaded.items():
                made[name][place, codes] = policy.pmf(lines, self._explorers[name], nothing)
        return made

    def close(self) -> None:
        """Let the models go."""
        for policy in self._loaded.values():
            policy.model.close()


def _version_policy(connection: Connection, spec: ExperimentSpec, name: str) -> LearnedPolicy:
    """A version with the exploration of a policy that uses its model."""
    number = int(name.partition(":")[2])
    stored = model_blob(connection, spec.key, number)
    version = model_version(connection, spec.key, number)
    if stored is None or version is None or blob_hash(stored[0]) != stored[1]:
        raise PolicyError(f"{name} does not have its hash")
    definition = policy_of_model(connection, spec, version.model_hash)
    if definition is None:
        raise PolicyError(f"no policy of this experiment uses the model of {name} any more")
    return LearnedPolicy(TrainedModel.load(stored[0]), definition)


class Offering:
    """An offer for everyone, any of them; the only fixed policy that a log alone does not know."""

    def __init__(self, policies: Sequence[str]) -> None:
        self.names = [name for name in policies if name == SOMETHING]

    def pmfs(self, rows: Sequence[Interaction], log: DecisionLog) -> dict[str, Floats]:
        """The policy's PMF on the next rows, if it was asked for."""
        made = {name: np.zeros((len(log), len(log.arms))) for name in self.names}
        for place, row in enumerate(rows if made else ()):
            eligible = row.decision.eligible
            codes = [log.code(arm) for arm in eligible]
            for pmf in made.values():
                pmf[place, codes] = something(eligible)
        return made


class Tracked:
    """The served policy and candidates, as they were at each moment before they learned."""

    def __init__(
        self, database: Database, spec: ExperimentSpec, policies: Sequence[str], tick: Tick
    ) -> None:
        with database.read() as connection:
            tracked = tracked_now(connection, spec)
        learned = [each for each in tracked if each.model is not None]
        self.names = [name for name in policies if policy_named(learned, name) is not None]
        self._walk: Iterator[RecomputedRow] = (
            recompute(database, spec.key, only=self.names) if self.names else iter(())
        )
        self._tick = tick

    def pmfs(self, rows: Sequence[Interaction], log: DecisionLog) -> dict[str, Floats]:
        """Policy → its PMF on the next rows.

        Raises:
            EvaluationError: interactions were forgotten meanwhile.
        """
        made = {name: np.zeros((len(log), len(log.arms))) for name in self.names}
        for place, row in enumerate(rows if made else ()):
            found = self._find(row.decision.decision_id)
            codes = [log.code(arm) for arm in found.eligible]
            for name in self.names:
                made[name][place, codes] = found.policies[name]
        return made

    def _find(self, decision_id: str) -> RecomputedRow:
        for passed, found in enumerate(self._walk, start=1):
            if found.decision_id == decision_id:
                return found
            if passed % _TICK == 0:
                self._tick()
        raise EvaluationError("interactions were forgotten meanwhile; ask again")
