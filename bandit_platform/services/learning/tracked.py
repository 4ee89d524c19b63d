"""The policies that are valued on an experiment's stream, and one step of each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from bandit_platform.domain.deployment import Deployment
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING, SECTION, Exploration
from bandit_platform.errors import InputError, PolicyError
from bandit_platform.policies import fixed
from bandit_platform.policies.arguments import model_hash, policy_hash
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.learned import LearnedPolicy, cost_of, explorer_for
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.services.learning.weight_bounds import WeightBound
from bandit_platform.storage.database import Connection
from bandit_platform.storage.deployments import (
    StoredPolicy,
    newest_deployment,
    stored_policies,
)
from bandit_platform.storage.interactions import Interaction
from bandit_platform.storage.models import model_version

Kind = Literal["logging", "serving", "candidate", "version", "fixed"]
Role = Literal["champion", "challenger"]

LOGGING = "logging"
SERVING = "serving"
UNIFORM = "uniform"
#: an offer for everyone, any of them; followed where there is more than one
SOMETHING = "always-something"
ALWAYS = "always:"
ALWAYS_NOTHING = f"{ALWAYS}{NOTHING}"
_ROLES: tuple[Role, Role] = ("champion", "challenger")


@dataclass(frozen=True, kw_only=True)
class PinnedModel:
    """A published version that serves whatever is learned later."""

    version: int
    #: interactions that it learned from, and the number of the last of them
    interactions: int
    cursor: int


@dataclass(frozen=True, kw_only=True)
class TrackedPolicy:
    """A policy to be valued; learned ones carry how they explore."""

    #: of its row in reports
    name: str
    kind: Kind
    exploration: Exploration | None = None
    #: what the experiment file and deployments call it
    own_names: tuple[str, ...] = ()
    role: Role | None = None
    #: the version that it is pinned to, from which it never learns on
    pinned: PinnedModel | None = field(default=None, compare=False)

    @cached_property
    def identity(self) -> str:
        """What the policy is: a hash, or the name of a fixed policy."""
        if self.exploration is None:
            return self.name
        found = policy_hash(self.exploration)
        return found if self.pinned is None else f"{self.name}:{found}"

    @cached_property
    def model(self) -> str | None:
        """The hash of the model that it learns; None for a policy that learns nothing."""
        if self.exploration is None or self.pinned is not None:
            return None
        return model_hash(self.exploration)

    @property
    def policy_hash(self) -> str | None:
        """The hash of a learned policy; None for a fixed one."""
        return None if self.exploration is None else policy_hash(self.exploration)


def tracked_policies(
    spec: ExperimentSpec,
    deployment: Deployment | None = None,
    policies: Mapping[str, StoredPolicy] | None = None,
    versions: Mapping[int, PinnedModel] | None = None,
) -> list[TrackedPolicy]:
    """Every policy on the experiment's leaderboard, each once.

    Args:
        spec: the experiment as it is.
        deployment: in force; None for the one that the spec alone would make.
        policies: learned policies by hash, at least those of the deployment.
        versions: pinned versions.
    """
    known = policies or {}
    found = [TrackedPolicy(name=LOGGING, kind="logging")]
    learned = list(_learned(spec, deployment, known))
    found += _each_once(learned)
    if deployment is not None and versions:
        found += [
            TrackedPolicy(
                name=f"version:{version}",
                kind="version",
                exploration=known[policy].definition,
                own_names=(known[policy].name,),
                role=_ROLES[0] if policy == deployment.champion else _ROLES[1],
                pinned=versions[version],
            )
            for policy, version in deployment.pinned
            if policy in known and version in versions
        ]
    found.append(TrackedPolicy(name=UNIFORM, kind="fixed"))
    if len(spec.arms) > 1:
        found.append(TrackedPolicy(name=SOMETHING, kind="fixed"))
    found += [TrackedPolicy(name=f"{ALWAYS}{arm}", kind="fixed") for arm in spec.arm_keys]
    return found


def tracked_now(connection: Connection, spec: ExperimentSpec) -> list[TrackedPolicy]:
    """Every policy on the experiment's leaderboard under the deployment in force."""
    deployment = newest_deployment(connection, spec.key)
    if deployment is None:
        return tracked_policies(spec)
    versions: dict[int, PinnedModel] = {}
    for _, number in deployment.pinned if spec.policy.mode != "uniform" else ():
        version = model_version(connection, spec.key, number)
        if version is not None:
            versions[number] = PinnedModel(
                version=number, interactions=version.interactions, cursor=version.cursor
            )
    policies = stored_policies(connection, spec.key)
    return tracked_policies(spec, deployment, policies, versions)


def policy_named(tracked: Iterable[TrackedPolicy], name: str) -> TrackedPolicy | None:
    """The policy whose row has a name, or which the experiment file calls so."""
    found = list(tracked)
    rows = [each for each in found if each.name == name]
    named = [each for each in found if name in each.own_names and each.kind != "version"]
    return next(iter([*rows, *named]), None)


def _learned(
    spec: ExperimentSpec, deployment: Deployment | None, known: Mapping[str, StoredPolicy]
) -> Iterable[TrackedPolicy]:
    """The learned policies: champion, the file's own, candidates, and a challenger of old."""
    own = policy_hash(spec.policy)
    champion = own if deployment is None else deployment.champion
    challenger = None if deployment is None else deployment.challenger
    if spec.policy.mode != "uniform":
        definition = spec.policy if champion == own else known[champion].definition
        names = (SECTION,) if champion == own else (known[champion].name,)
        yield TrackedPolicy(
            name=SERVING,
            kind="serving",
            exploration=definition,
            own_names=names,
            role="champion",
        )
        yield _candidate(SECTION, spec.policy, challenger)
    for candidate in spec.candidates:
        yield _candidate(candidate.name, candidate, challenger)
    if challenger is not None and challenger in known:
        yield _candidate(known[challenger].name, known[challenger].definition, challenger)


def _candidate(name: str, definition: Exploration, challenger: str | None) -> TrackedPolicy:
    role: Role | None = "challenger" if policy_hash(definition) == challenger else None
    return TrackedPolicy(
        name=name, kind="candidate", exploration=definition, own_names=(name,), role=role
    )


def _each_once(policies: Iterable[TrackedPolicy]) -> list[TrackedPolicy]:
    """The policies without those that come again under another name, which is kept."""
    found: dict[str, TrackedPolicy] = {}
    for policy in policies:
        first = found.get(policy.identity)
        names = (*(first.own_names if first else ()), *policy.own_names)
        found[policy.identity] = replace(first or policy, own_names=tuple(dict.fromkeys(names)))
    return list(found.values())


class Lesson(NamedTuple):
    """What every policy learns from an interaction."""

    #: position of the arm that was drawn, and of ``nothing``, among the eligible arms
    drawn: int
    nothing: int
    #: what a model minimises
    cost: float


def lesson_of(interaction: Interaction, revision: RevisionText) -> Lesson:
    """The lesson of an interaction that was decided under a revision."""
    draw = interaction.decision.draws[0]
    return Lesson(
        draw.eligible.index(draw.arm),
        draw.eligible.index(NOTHING),
        cost_of(interaction.reward, revision.spec),
    )


class Runner:
    """A tracked policy at work: for each interaction its PMF, then learning."""

    def __init__(self, policy: TrackedPolicy, learned: LearnedPolicy | None) -> None:
        self.policy = policy
        self.learned = learned
        self._failures: list[str] = []
        #: the revision last met, and how the policy explores under it: revisions rarely change
        self._under: tuple[RevisionText, Explorer] | None = None

    def take_failures(self) -> list[str]:
        """The interactions on which the model failed since this was last asked, and why."""
        failures, self._failures = self._failures, []
        return failures

    def step(
        self,
        interaction: Interaction,
        lines: Sequence[str],
        revision: RevisionText,
        lesson: Lesson,
    ) -> tuple[float, ...]:
        """The PMF the policy gives before it learns from the interaction, then learning.

        A policy whose model fails shows nothing, as a shop would see it.

        Args:
            interaction: the next one in order.
            lines: its VW text.
            revision: under which it was decided.
            lesson: what it teaches.
        """
        learned = self.learned
        if learned is None:
            draw = interaction.decision.draws[0]
            return (
                draw.pmf if self.policy.name == LOGGING else _fixed(self.policy.name, draw.eligible)
            )
        known = self._under
        if known is None or known[0] is not revision:
            explorer = explorer_for(learned.exploration, revision.spec)
            known = self._under = (revision, explorer)
        try:
            if self.policy.pinned is not None:
                return learned.pmf(lines, known[1], lesson.nothing)
            return learned.predict_and_learn(
                lines,
                known[1],
                lesson.nothing,
                position=lesson.drawn,
                cost=lesson.cost,
                interaction=interaction.number,
            )
        except (PolicyError, InputError) as error:
            self._failures.append(f"interaction {interaction.number}: {error}")
            return fixed.always(NOTHING, interaction.decision.eligible)


@lru_cache(maxsize=4096)
def _fixed(name: str, eligible: tuple[str, ...]) -> tuple[float, ...]:
    """The PMF of a fixed policy, which depends on nothing but the eligible arms."""
    if name == UNIFORM:
        return fixed.uniform(eligible)
    if name == SOMETHING:
        return fixed.something(eligible)
    return fixed.always(name.removeprefix(ALWAYS), eligible)


def largest_weight(policy: TrackedPolicy, bound: WeightBound) -> float:
    """The largest importance weight that the floors of a decision permit this policy.

    Whatever subset of the arms is eligible, a policy's probability of the drawn arm divided by its
    propensity is at most this.
    """
    if policy.kind == "logging":
        return 1.0
    if policy.name == ALWAYS_NOTHING:
        return bound.largest_nothing
    if policy.name == UNIFORM:
        return bound.largest_uniform
    if policy.name == SOMETHING:
        return bound.largest_something
    return bound.largest
