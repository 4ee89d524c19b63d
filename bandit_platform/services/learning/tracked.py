"""The policies that are valued on an experiment's stream, and one step of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING, Exploration
from bandit_platform.errors import InputError, PolicyError
from bandit_platform.policies import fixed
from bandit_platform.policies.arguments import policy_hash
from bandit_platform.policies.learned import LearnedPolicy, cost_of
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

    def floor(self, revision: RevisionText) -> float:
        """The floor that a revision gives this policy, whatever its name was there.

        A policy that was promoted was a candidate in earlier revisions. One that a revision does
        not have gets the floor of the next revision that has it, so that a later change of the
        floor changes no value of earlier interactions.
        """
        if self.exploration is None:
            return 0.0
        one: RevisionText | None = revision
        while one is not None:
            found = self._floor_in(one.spec)
            if found is not None:
                return found
            one = one.later
        return self.exploration.floor

    def _floor_in(self, spec: ExperimentSpec) -> float | None:
        """The floor in one revision; None where the revision does not have the policy."""
        named: Exploration | None = spec.policy if self.kind == "serving" else None
        for candidate in spec.candidates:
            if candidate.name == self.name:
                named = candidate
        for one in (named, spec.policy, *spec.candidates):
            if one is not None and policy_hash(one) == self.identity:
                return one.floor
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
        #: the revision last met, its floor, whether it is learned under: revisions rarely change
        self._under: tuple[RevisionText | None, float, bool] = (None, 0.0, False)

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
        if self._under[0] is not revision:
            learns = self.policy.learns_under(revision.spec)
            self._under = (revision, self.policy.floor(revision), learns)
        _, floor, learns = self._under
        try:
            if not learns:
                return self.learned.pmf(lines, floor)
            return self.learned.predict_and_learn(
                lines,
                floor,
                position=decision.eligible.index(decision.arm),
                cost=cost_of(interaction.reward, revision.spec.reward),
                interaction=interaction.number,
            )
        except (PolicyError, InputError) as error:
            self._failures.append(f"interaction {interaction.number}: {error}")
            return fixed.always(NOTHING, decision.eligible)

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
    """The largest importance weight a revision's floor permits this policy."""
    if policy.kind == "logging":
        return 1.0
    if policy.name == UNIFORM:
        return 1.0 if spec.policy.mode in {"uniform", "shadow"} else 1.0 / spec.policy.floor
    return spec.largest_weight
