"""Applying an experiment file, and moving an experiment through its life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.actor import PLATFORM, Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import Action, State, after
from bandit_platform.domain.revision import (
    LOCKED,
    Change,
    changes,
    locked_changes,
    revalued_arms,
    with_range_in_force,
)
from bandit_platform.errors import LockedError, NotFoundError, StaleError, StateError
from bandit_platform.services.deployments.revisions import deploy_revision
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import (
    StoredExperiment,
    StoredRevision,
    add_revision,
    all_experiments,
    experiment_heads,
    get_experiment,
    revisions,
    set_state,
)

Clock = Callable[[], datetime]

#: an action, as the audit log tells of it afterwards
_DONE = {
    Action.START: "started",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.STOP: "stopped",
    Action.ARCHIVE: "archived",
}


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What applying a spec did."""

    experiment: str
    state: State
    #: number of the revision now in force
    revision: int
    #: "created", "changed" or "unchanged"
    outcome: str
    changes: tuple[Change, ...]


class Experiments:
    """The experiments of a deployment, as the team changes them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def apply(
        self, spec: ExperimentSpec, by: Actor = PLATFORM, *, based_on: int | None = None
    ) -> Applied:
        """Make the experiment what the spec says; applying the same spec again changes nothing.

        Args:
            spec: what the experiment shall be.
            by: who applies it.
            based_on: the revision the spec was made from, 0 for a new experiment; None where it
                does not matter whether somebody changed the experiment meanwhile.

        Raises:
            LockedError: the spec changes what a started experiment may not change.
            StateError: the experiment is stopped or archived.
            StaleError: another revision than ``based_on`` is in force.
        """
        with self._database.write() as connection:
            if based_on is not None:
                _demand_unchanged(connection, spec.key, based_on)
            return self._apply(connection, spec, by)

    def apply_all(self, specs: Sequence[ExperimentSpec], by: Actor = PLATFORM) -> list[Applied]:
        """As :meth:`apply` for several specs: all of them or, where one is refused, none."""
        with self._database.write() as connection:
            return [self._apply(connection, spec, by) for spec in specs]

    def _apply(self, connection: Connection, spec: ExperimentSpec, by: Actor) -> Applied:
        try:
            current = get_experiment(connection, spec.key)
        except NotFoundError:
            add_revision(connection, spec, 1, self._clock())
            deploy_revision(connection, spec, None, by, self._clock())
            self._note(connection, by, "created", spec.key, _number(None, 1))
            return _applied(spec, State.DRAFT, 1, "created", ())
        if current.started_at is not None:
            spec = with_range_in_force(current.spec, spec)
        differences = changes(current.spec, spec)
        if not differences:
            return _applied(spec, current.state, current.revision, "unchanged", ())
        _demand_changeable(current, differences)
        _demand_values_as_before(connection, current, spec)
        number = current.revision + 1
        add_revision(connection, spec, number, self._clock())
        deploy_revision(connection, spec, current.spec, by, self._clock())
        told = (_number(current.revision, number), *differences)
        self._note(connection, by, "changed", spec.key, *told)
        return _applied(spec, current.state, number, "changed", differences)

    def change_state(self, key: str, action: Action, by: Actor = PLATFORM) -> State:
        """Take one step of the lifecycle.

        Raises:
            NotFoundError: there is no such experiment.
            StateError: the step is not possible from its state.
            UnreadableError: it shall run, and its spec cannot be read; other steps are possible.
        """
        with self._database.write() as connection:
            found = experiment_heads(connection).get(key)
            if found is None:
                raise NotFoundError("there is no experiment with this key")
            before = found[0]
            state = after(before, action)
            if state is State.RUNNING:
                get_experiment(connection, key)  # nobody can run what cannot be read
            set_state(connection, key, state, self._clock())
            told = Change(path="state", before=before, after=state)
            self._note(connection, by, _DONE[action], key, told)
        return state

    def _note(
        self, connection: Connection, by: Actor, what: str, key: str, *difference: Change
    ) -> None:
        subject = subject_of("experiment", key)
        note(connection, self._clock(), by, f"experiment.{what}", subject, difference=difference)

    def get(self, key: str) -> StoredExperiment:
        """One experiment.

        Raises:
            NotFoundError: there is no such experiment.
        """
        with self._database.read() as connection:
            return get_experiment(connection, key)

    def revision(self, key: str) -> int:
        """The revision of an experiment that is in force; 0 where there is none."""
        with self._database.read() as connection:
            return experiment_heads(connection).get(key, (None, 0))[1]

    def revisions(self, key: str) -> list[StoredRevision]:
        """Every revision of an experiment, oldest first."""
        with self._database.read() as connection:
            return revisions(connection, key)

    def states(self) -> dict[str, State]:
        """Experiment → state, also of those whose spec this version cannot read."""
        with self._database.read() as connection:
            heads = experiment_heads(connection)
        return {key: heads[key][0] for key in sorted(heads)}

    def all(self) -> list[StoredExperiment]:
        """Every experiment, by key."""
        with self._database.read() as connection:
            return all_experiments(connection)


def _demand_unchanged(connection: Connection, key: str, based_on: int) -> None:
    _, revision = experiment_heads(connection).get(key, (None, 0))
    if revision != based_on:
        raise StaleError(
            f"{key} was changed meanwhile: revision {revision} is in force, not {based_on}"
            if based_on
            else f"there is an experiment {key} already"
        )


def _number(before: int | None, after: int) -> Change:
    return Change(path="revision", before=before, after=after)


def _demand_changeable(current: StoredExperiment, differences: tuple[Change, ...]) -> None:
    if current.state in {State.STOPPED, State.ARCHIVED}:
        raise StateError(f"cannot change {current.spec.key}: it is {current.state}")
    locked = locked_changes(differences) if current.started_at is not None else ()
    if locked:
        listed = "; ".join(f"{change.path} ({why})" for change, why in locked)
        raise LockedError(
            f"{current.spec.key} has been started and cannot change {listed}. "
            "Stop it and apply the new definition under another key"
        )


def _demand_values_as_before(
    connection: Connection, current: StoredExperiment, spec: ExperimentSpec
) -> None:
    """An arm that was taken out and comes back is worth what it was worth."""
    back = [arm.key for arm in spec.arms if arm.key not in current.spec.arms_by_key]
    started = current.started_at
    if started is None or not back:
        return
    known = revisions(connection, spec.key)
    at_start = sum(each.created_at < started for each in known)
    for each in reversed(known[max(at_start - 1, 0) :]):
        other = [key for key in revalued_arms(each.spec, spec) if key in back]
        if other:
            raise LockedError(
                f"{spec.key} has been started and cannot change what arms.{other[0]} is worth: it "
                f"was in revision {each.number} with another value or cost ({LOCKED['value']}). "
                "Give the arm another key"
            )


def _applied(
    spec: ExperimentSpec, state: State, revision: int, outcome: str, found: tuple[Change, ...]
) -> Applied:
    return Applied(
        experiment=spec.key, state=state, revision=revision, outcome=outcome, changes=found
    )
