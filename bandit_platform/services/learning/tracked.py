"""The policies that are valued on an experiment's stream, and one step of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.policy_spec import NOTHING, Exploration
from bandit_platform.errors import InputError, PolicyError
from bandit_platform.policies import fixed
from bandit_platform.policies.arguments import policy_hash
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.learned import LearnedPolicy, cost_of, explorer_for
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.storage.interactions import Interaction

Kind = Literal["logging", "serving", "candidate", "fixed"]

LOGGING = "logging"
SERVING = "serving"
UNIFORM = "uniform"
#: an offer for everyone, any of them; followed where there is more than one
SOMETHING = "always-something"
ALWAYS = "always:"
ALWAYS_NOTHING = f"{ALWAYS}{NOTHING}"


@dataclass(frozen=True, kw_only=True)
class TrackedPolicy:
    """A policy to be valued; learned ones carry how they explore."""

    name: str
    kind: Kind
    exploration: Exploration | None = None

    def learns_under(self, spec: ExperimentSpec) -> bool:
        """Whether it learns from decisions of a revision: the served policy not while frozen."""
        return not (self.kind == "serving" and spec.policy.mode == "frozen")

    @property
    def identity(self) -> str:
        """What the policy is; another identity means starting from the first interaction."""
        return self.name if self.exploration is None else policy_hash(self.exploration)

    def under_name(self, name: str) -> TrackedPolicy:
        """The same policy as it would be called otherwise."""
        return replace(self, name=name, kind="serving" if name == SERVING else "candidate")

    def explored_under(self, revision: RevisionText) -> Exploration | None:
        """The policy as a revision has it, whatever its name was there; None for a fixed one.

        Its floor and minimum value may differ between revisions. A policy that was promoted was a
        candidate in earlier revisions. One that a revision does not have is taken from the next
        revision that has it, so that a later change changes no value of earlier interactions.
        """
        if self.exploration is None:
            return None
        one: RevisionText | None = revision
        while one is not None:
            found = self._named_in(one.spec)
            if found is not None:
                return found
            one = one.later
        return self.exploration

    def _named_in(self, spec: ExperimentSpec) -> Exploration | None:
        """The policy in one revision; None where the revision does not have it."""
        named: Exploration | None = spec.policy if self.kind == "serving" else None
        for candidate in spec.candidates:
            if candidate.name == self.name:
                named = candidate
        for one in (named, spec.policy, *spec.candidates):
            if one is not None and policy_hash(one) == self.identity:
                return one
        return None


def tracked_policies(spec: ExperimentSpec) -> list[TrackedPolicy]:
    """Every policy on the experiment's leaderboard."""
    policies = [TrackedPolicy(name=LOGGING, kind="logging")]
    if spec.policy.mode != "uniform":
        policies.append(
            TrackedPolicy(
                name=SERVING,
                kind="serving",
                exploration=spec.policy,
            )
        )
    policies += [
        TrackedPolicy(name=candidate.name, kind="candidate", exploration=candidate)
        for candidate in spec.candidates
    ]
    policies.append(TrackedPolicy(name=UNIFORM, kind="fixed"))
    if len(spec.arms) > 1:
        policies.append(TrackedPolicy(name=SOMETHING, kind="fixed"))
    policies += [TrackedPolicy(name=f"{ALWAYS}{arm}", kind="fixed") for arm in spec.arm_keys]
    return policies


class Runner:
    """A tracked policy at work: for each interaction its PMF, then learning."""

    def __init__(self, policy: TrackedPolicy, learned: LearnedPolicy | None) -> None:
        self.policy = policy
        self.learned = learned
        self._failures: list[str] = []
        #: the revision last met, how the policy explores under it, whether it is learned under
        self._under: tuple[RevisionText, Explorer, bool] | None = None

    def take_failures(self) -> list[str]:
        """The interactions on which the model failed since this was last asked, and why."""
        failures, self._failures = self._failures, []
        return failures

    def step(
        self, interaction: Interaction, lines: Sequence[str], revision: RevisionText
    ) -> tuple[float, ...]:
        """The PMF the policy gives before it learns from the interaction, then learning.

        A policy whose model fails shows nothing, as a shop would see it. Whether it learns is a
        matter of the revision that decided, so that walking the interactions again gives the same.

        Args:
            interaction: the next one in order.
            lines: its VW text.
            revision: under which it was decided.
        """
        decision = interaction.decision
        if self.learned is None:
            return self._fixed(decision.eligible, decision.pmf)
        explorer, learns = self._under_revision(revision)
        nothing = decision.eligible.index(NOTHING)
        try:
            if not learns:
                return self.learned.pmf(lines, explorer, nothing)
            return self.learned.predict_and_learn(
                lines,
                explorer,
                nothing,
                position=decision.eligible.index(decision.arm),
                cost=cost_of(interaction.reward, revision.spec),
                interaction=interaction.number,
            )
        except (PolicyError, InputError) as error:
            self._failures.append(f"interaction {interaction.number}: {error}")
            return fixed.always(NOTHING, decision.eligible)

    def _under_revision(self, revision: RevisionText) -> tuple[Explorer, bool]:
        """How the policy explores under a revision, and whether it learns; kept while it lasts."""
        if self._under is None or self._under[0] is not revision:
            explored = self.policy.explored_under(revision)
            if explored is None:
                raise PolicyError(f"{self.policy.name} does not learn")
            explorer = explorer_for(explored, revision.spec)
            self._under = (revision, explorer, self.policy.learns_under(revision.spec))
        return self._under[1:]

    def _fixed(self, eligible: tuple[str, ...], logged: tuple[float, ...]) -> tuple[float, ...]:
        name = self.policy.name
        if name == LOGGING:
            return logged
        if name == UNIFORM:
            return fixed.uniform(eligible)
        if name == SOMETHING:
            return fixed.something(eligible)
        return fixed.always(name.removeprefix(ALWAYS), eligible)


def largest_weight(policy: TrackedPolicy, spec: ExperimentSpec) -> float:
    """The largest importance weight that decisions of a revision permit this policy.

    Whatever subset of the arms is eligible, a policy's probability of the drawn arm divided by its
    propensity is at most this. With N offers and floors f_0 of ``nothing`` and f_1 of the offers,
    the propensity is at least f_0, or f_1 / n of each of n <= N eligible offers.
    """
    if policy.kind == "logging":
        return 1.0
    if policy.name == ALWAYS_NOTHING:
        return spec.largest_nothing_weight
    if policy.name == UNIFORM:
        return _largest_uniform_weight(spec)
    if policy.name == SOMETHING:
        return _largest_something_weight(spec)
    return spec.largest_weight


def _largest_uniform_weight(spec: ExperimentSpec) -> float:
    """Of 1 / (n + 1) for each arm where n offers are eligible."""
    floor, offers = spec.policy.floor, len(spec.arms)
    if spec.policy.mode in {"uniform", "shadow"}:
        return 1.0
    if isinstance(floor, FloorTable):
        return max(1.0, 0.5 / floor.nothing, offers / ((offers + 1) * floor.offers))
    return 1.0 / floor


def _largest_something_weight(spec: ExperimentSpec) -> float:
    """Of 1 / n for each of n eligible offers; where there is none, ``nothing`` gets 1 anyway."""
    floor = spec.policy.floor
    if spec.policy.mode in {"uniform", "shadow"}:
        return 2.0
    return 1.0 / floor.offers if isinstance(floor, FloorTable) else 2.0 / floor
