"""The least probabilities and largest importance weights that a decision's deployment permits.

The floors under which a decision was drawn bound its weights: those of the champion, or
the mixture of the floors of champion and challenger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.deployment import Deployment
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.floor import FloorTable
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.storage.database import Connection
from bandit_platform.storage.deployments import StoredPolicy, deployments, stored_policies

Floor = float | FloorTable


@dataclass(frozen=True)
class WeightBound:
    """Bounds that follow from the floors under which a decision is drawn.

    With n of N offers eligible, the propensity of ``nothing`` is at least A + B / (n + 1), and
    that of each offer at least C / n + B / (n + 1): a number as floor adds to B, a table to A and
    C, each by the share of its policy.

    Attributes:
        offers: how many a decision has, eligible or not (N).
        nothing: A.
        even: B.
        spread: C.
    """

    offers: int
    nothing: float
    even: float
    spread: float

    @classmethod
    def mixed(cls, offers: int, floors: Iterable[tuple[float, Floor]]) -> WeightBound:
        """The bound under policies with shares and floors."""
        nothing = even = spread = 0.0
        for share, floor in floors:
            if isinstance(floor, FloorTable):
                nothing += share * floor.nothing
                spread += share * floor.offers
            else:
                even += share * floor
        return cls(offers, nothing, even, spread)

    @classmethod
    def of_spec(cls, spec: ExperimentSpec) -> WeightBound:
        """The bound while the file's policy serves alone."""
        return cls.among(spec, spec.most_offers)

    @classmethod
    def among(cls, spec: ExperimentSpec, offers: int) -> WeightBound:
        """The same for decisions that have so many offers."""
        return cls.mixed(offers, [(1.0, _floor(spec, spec.policy.floor))])

    def least_propensity(self, offers: int, *, nothing: bool) -> float:
        """The least probability of ``nothing``, or of each of the eligible offers."""
        if not offers:
            return 1.0
        even = self.even / (offers + 1)
        return self.nothing + even if nothing else self.spread / offers + even

    @cached_property
    def largest_nothing(self) -> float:
        """The largest weight where ``nothing`` was drawn."""
        return 1.0 / self.least_propensity(self.offers, nothing=True)

    @cached_property
    def largest(self) -> float:
        """The largest weight of any policy."""
        offer = 1.0 / self.least_propensity(self.offers, nothing=False)
        return max(self.largest_nothing, offer)

    @cached_property
    def largest_uniform(self) -> float:
        """The largest weight of 1 / (n + 1) for each arm where n offers are eligible."""
        if not self.offers:
            return 1.0
        chance = self.spread * (self.offers + 1) / self.offers + self.even
        return max(1.0, 1.0 / (2.0 * self.nothing + self.even), 1.0 / chance)

    @cached_property
    def largest_something(self) -> float:
        """The largest weight of 1 / n for each offer where n offers are eligible."""
        return max(1.0, 1.0 / (self.spread + self.even / 2.0))


class WeightBounds:
    """The bounds of an experiment's decisions, by revision and deployment."""

    def __init__(
        self,
        texts: Mapping[int, RevisionText],
        history: tuple[Deployment, ...],
        policies: Mapping[str, StoredPolicy],
    ) -> None:
        self._texts = texts
        self._deployments = {each.number: each for each in history}
        self._policies = policies
        self._known: dict[tuple[int, int | None, bool, int | None], WeightBound] = {}

    @classmethod
    def stored(
        cls, connection: Connection, experiment: str, texts: Mapping[int, RevisionText]
    ) -> WeightBounds:
        """The bounds of an experiment's decisions, from its stored deployments."""
        history = deployments(connection, experiment)
        return cls(texts, history, stored_policies(connection, experiment))

    def of(self, decision: Decision) -> WeightBound:
        """The bound of one decision, whose revision must be known."""
        arms = decision.request_arms
        key = (
            decision.revision,
            decision.deployment,
            len(decision.model_versions) > 1,
            None if arms is None else len(arms.arms),
        )
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._bound(*key)
        return found

    def distinct(
        self, decisions: Sequence[Decision]
    ) -> tuple[list[WeightBound], npt.NDArray[np.int64]]:
        """The bounds of some decisions, each once, and which of them each decision has."""
        places: dict[int, int] = {}
        found: list[WeightBound] = []
        rows = np.empty(len(decisions), dtype=np.int64)
        for row, decision in enumerate(decisions):
            bound = self.of(decision)
            place = places.setdefault(id(bound), len(found))
            if place == len(found):
                found.append(bound)
            rows[row] = place
        return found, rows

    def _bound(
        self, revision: int, number: int | None, mixed: bool, brought: int | None
    ) -> WeightBound:
        spec = self._texts[revision].spec
        offers = len(spec.arms) if brought is None else brought
        deployment = self._deployments.get(number) if number is not None else None
        if deployment is None or deployment.champion not in self._policies:
            return WeightBound.among(spec, offers)
        champion = self._policies[deployment.champion].definition.floor
        challenger = self._policies.get(deployment.challenger or "")
        floors: list[tuple[float, Floor]] = [(1.0, _floor(spec, champion))]
        if mixed and challenger is not None:
            rest = 1.0 - deployment.share
            floors = [(rest, champion), (deployment.share, challenger.definition.floor)]
        return WeightBound.mixed(offers, floors)


def _floor(spec: ExperimentSpec, floor: Floor) -> Floor:
    """The floor of decisions under a revision: everything where nothing learned serves."""
    return 1.0 if spec.policy.mode in {"uniform", "shadow"} else floor
