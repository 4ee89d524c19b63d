"""Changes by people to what serves an experiment: promote, ramp, hold, pin, release, roll back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.deployment import (
    Deployment,
    DeploymentAction,
    deployment_to_roll_back_to,
)
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import InputError, NotFoundError, StaleError, StateError
from bandit_platform.policies.arguments import model_hash
from bandit_platform.services.deployments.entries import (
    DeploymentEntry,
    differences,
    entry_of,
)
from bandit_platform.services.deployments.evidence import evidence, evidences
from bandit_platform.services.deployments.policies import find_policy
from bandit_platform.services.deployments.revisions import publish_serving, served_version
from bandit_platform.services.learning.publish import publish_newest
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.deployments import (
    StoredPolicy,
    add_deployment,
    deployments,
    stored_policies,
)
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.models import furthest_cursor, model_state, model_version

_DONE = MappingProxyType(
    {
        DeploymentAction.PROMOTE: "promoted",
        DeploymentAction.RAMP: "ramped",
        DeploymentAction.HOLD: "held",
        DeploymentAction.PIN: "pinned",
        DeploymentAction.RELEASE: "released",
        DeploymentAction.ROLL_BACK: "rolled_back",
    }
)


@dataclass(frozen=True, kw_only=True)
class _Situation:
    """What a change starts from."""

    connection: Connection
    spec: ExperimentSpec
    state: State
    history: tuple[Deployment, ...]
    policies: Mapping[str, StoredPolicy]

    @property
    def current(self) -> Deployment:
        return self.history[-1]

    @property
    def champion(self) -> StoredPolicy:
        return self.policies[self.current.champion]


class Deployments:
    """The deployments of every experiment, as people change them; each change is one transaction.

    Every change may name the number of the deployment it was decided on (``based_on``).

    Every method that changes something raises:
        NotFoundError: there is no such experiment, policy or version.
        StateError: the experiment is stopped or archived, or the step is not possible; says what
            to do.
        StaleError: another deployment than ``based_on`` is in force.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def deployments(self, key: str) -> list[DeploymentEntry]:
        """Every deployment of an experiment, the newest first.

        Raises:
            NotFoundError: there is no such experiment.
        """
        with self._database.read() as connection:
            get_experiment(connection, key)
            policies = stored_policies(connection, key)
            history = deployments(connection, key)
        return [entry_of(each, policies) for each in reversed(history)]

    def current(self, key: str) -> DeploymentEntry:
        """The deployment in force.

        Raises:
            NotFoundError: there is no such experiment.
        """
        return self.deployments(key)[0]

    def policies(self, key: str) -> list[StoredPolicy]:
        """The policies of an experiment that may be promoted or ramped, by name.

        Raises:
            NotFoundError: there is no such experiment.
        """
        with self._database.read() as connection:
            get_experiment(connection, key)
            found = stored_policies(connection, key)
        return sorted(found.values(), key=lambda each: each.name)

    def evidence(self, key: str, policy: str) -> dict[str, Any]:
        """What a promotion or ramp of a policy would be based on now.

        Raises:
            NotFoundError: there is no such experiment or policy.
        """
        with self._database.read() as connection:
            now = _situation(connection, key)
            return evidence(connection, now.spec, find_policy(now.policies, policy), now.champion)

    def evidences(self, key: str) -> dict[str, dict[str, Any]]:
        """Policy hash → what a promotion or ramp of it would be based on now.

        Raises:
            NotFoundError: there is no such experiment.
        """
        with self._database.read() as connection:
            now = _situation(connection, key)
            return evidences(connection, now.spec, now.policies.values(), now.champion)

    def promote(
        self, key: str, policy: str, by: Actor = PLATFORM, *, based_on: int | None = None
    ) -> DeploymentEntry:
        """Make a policy the champion; this ends a ramp and releases a pinned version."""

        def change(now: _Situation) -> Deployment:
            chosen = find_policy(now.policies, policy)
            if chosen.policy_hash == now.current.champion and now.current.challenger is None:
                raise StateError(f"{chosen.name} is the champion already")
            _publish_learned(now, chosen, self._clock())
            made = replace(_alone(now.current), champion=chosen.policy_hash, why=_why(now, chosen))
            if now.spec.policy.mode == "frozen":
                (version,) = publish_serving(now.connection, now.spec, made, self._clock())
                made = replace(made, champion_version=version)
            return made

        return self._change(key, DeploymentAction.PROMOTE, by, based_on, change)

    def ramp(
        self,
        key: str,
        policy: str,
        share: float,
        by: Actor = PLATFORM,
        *,
        based_on: int | None = None,
    ) -> DeploymentEntry:
        """Give a policy a share of every distribution beside the champion.

        Raises:
            InputError: the share is not above 0 and below 1.
        """
        if not 0.0 < share < 1.0:
            raise InputError(
                "a share must be above 0 and below 1; promote gives a policy everything, "
                "and rolling back ends a ramp"
            )

        def change(now: _Situation) -> Deployment:
            chosen = find_policy(now.policies, policy)
            if chosen.policy_hash == now.current.champion:
                raise StateError(f"{chosen.name} is the champion; ramp another policy beside it")
            if now.spec.policy.mode in {"uniform", "shadow"}:
                raise StateError(
                    f"nothing learned serves while policy.mode is {now.spec.policy.mode}; apply "
                    'mode = "learning" first'
                )
            _publish_learned(now, chosen, self._clock())
            same = chosen.policy_hash == now.current.challenger
            return replace(
                now.current,
                challenger=chosen.policy_hash,
                challenger_version=now.current.challenger_version if same else None,
                share=share,
                held=False,
                why=_why(now, chosen),
            )

        return self._change(key, DeploymentAction.RAMP, by, based_on, change)

    def hold(
        self, key: str, by: Actor = PLATFORM, *, based_on: int | None = None
    ) -> DeploymentEntry:
        """Keep the shares as they are until a person changes them."""

        def change(now: _Situation) -> Deployment:
            if now.current.held:
                raise StateError("the deployment is held already")
            chosen = now.policies[now.current.challenger or now.current.champion]
            return replace(now.current, held=True, why=_why(now, chosen))

        return self._change(key, DeploymentAction.HOLD, by, based_on, change)

    def pin(
        self,
        key: str,
        version: int | None = None,
        by: Actor = PLATFORM,
        *,
        based_on: int | None = None,
    ) -> DeploymentEntry:
        """Let the champion serve one version of its model, whatever is learned later.

        Args:
            key: of the experiment.
            version: of the champion's model; None for the one that it serves.
            by: who pins it.
            based_on: see the class.
        """

        def change(now: _Situation) -> Deployment:
            number = served_version(now.connection, now.current) if version is None else version
            if number is None:
                raise StateError(
                    f"{now.champion.name} has no model version yet; wait until it has learned"
                )
            _demand_version_of(now, now.champion, number)
            why = {**_why(now, now.champion), "champion_version": number}
            return replace(now.current, champion_version=number, why=why)

        return self._change(key, DeploymentAction.PIN, by, based_on, change)

    def release(
        self, key: str, by: Actor = PLATFORM, *, based_on: int | None = None
    ) -> DeploymentEntry:
        """Let champion and challenger serve their newest versions again, and end a hold."""

        def change(now: _Situation) -> Deployment:
            current = now.current
            if not current.pinned and not current.held:
                raise StateError("no version is pinned and nothing is held")
            if now.spec.policy.mode == "frozen":
                raise StateError('policy.mode is frozen; apply mode = "learning" to release it')
            return replace(
                current,
                champion_version=None,
                challenger_version=None,
                held=False,
                why=_why(now, now.champion),
            )

        return self._change(key, DeploymentAction.RELEASE, by, based_on, change)

    def roll_back(
        self, key: str, by: Actor = PLATFORM, *, based_on: int | None = None
    ) -> DeploymentEntry:
        """Go back to what served before the ramp, or before the champion changed last.

        The champion of that deployment serves the version that it served last then, until it is
        released or another change is made.
        """

        def change(now: _Situation) -> Deployment:
            target = deployment_to_roll_back_to(now.history)
            if target is None:
                raise StateError("there is no ramp and no earlier champion to roll back to")
            after = now.history[target.number]  # numbers start at 1
            champion = now.policies[target.champion]
            why = {**_why(now, champion), "rolled_back_to": target.number}
            return replace(
                _alone(now.current),
                champion=target.champion,
                champion_version=after.version_before,
                why=why,
            )

        return self._change(key, DeploymentAction.ROLL_BACK, by, based_on, change)

    def _change(
        self,
        key: str,
        action: DeploymentAction,
        by: Actor,
        based_on: int | None,
        change: Callable[[_Situation], Deployment],
    ) -> DeploymentEntry:
        moment = self._clock()
        with self._database.write() as connection:
            now = _situation(connection, key)
            _demand_changeable(now, based_on)
            served = served_version(connection, now.current)  # the change may publish a newer one
            made = replace(
                change(now),
                number=now.current.number + 1,
                version_before=served,
                since=moment,
                by=by,
                action=action,
            )
            publish_serving(connection, now.spec, made, moment)
            add_deployment(connection, made)
            entry = entry_of(made, now.policies)
            note(
                connection,
                moment,
                by,
                f"experiment.{_DONE[action]}",
                subject_of("experiment", key),
                difference=differences(entry_of(now.current, now.policies), entry),
            )
        return entry


def _situation(connection: Connection, key: str) -> _Situation:
    stored = get_experiment(connection, key)
    return _Situation(
        connection=connection,
        spec=stored.spec,
        state=stored.state,
        history=deployments(connection, key),
        policies=stored_policies(connection, key),
    )


def _demand_changeable(now: _Situation, based_on: int | None) -> None:
    if now.state in {State.STOPPED, State.ARCHIVED}:
        raise StateError(f"cannot change what {now.spec.key} serves: it is {now.state}")
    if based_on is not None and based_on != now.current.number:
        raise StaleError(
            f"the deployment was changed meanwhile: number {now.current.number} is in force, "
            f"not {based_on}"
        )


def _publish_learned(now: _Situation, policy: StoredPolicy, moment: datetime) -> None:
    """Publish what the model of a policy has learned; the evidence then names that version.

    Raises:
        StateError: it has learned nothing, or less than what was published before.
    """
    state = model_state(now.connection, now.spec.key, model_hash(policy.definition))
    if state is None or not state.interactions:
        raise StateError(
            f"the model of {policy.name} has not learned from any interaction yet; wait until "
            "decisions have matured and the worker has learned from them"
        )
    if state.cursor < furthest_cursor(now.connection, now.spec.key):
        raise StateError(
            f"the model of {policy.name} has learned from {state.interactions:,} interactions "
            "so far, fewer than the model that serves; wait until it has caught up"
        )
    publish_newest(now.connection, now.spec.key, policy.definition, moment)


def _demand_version_of(now: _Situation, policy: StoredPolicy, number: int) -> None:
    version = model_version(now.connection, now.spec.key, number)
    if version is None:
        raise NotFoundError(f"there is no model version {number}")
    if version.model_hash != model_hash(policy.definition):
        raise StateError(
            f"version {number} is of another model than the one that {policy.name} uses"
        )


def _alone(deployment: Deployment) -> Deployment:
    """The champion alone, nothing pinned, nothing held."""
    return replace(
        deployment,
        challenger=None,
        share=0.0,
        champion_version=None,
        challenger_version=None,
        held=False,
    )


def _why(now: _Situation, policy: StoredPolicy) -> dict[str, Any]:
    return evidence(now.connection, now.spec, policy, now.champion)
