"""The models of an experiment, each at the interactions that policies which use it have reached.

A model learns each interaction once, whichever policies use it. A new policy has to be
valued from the first interaction on, so a second copy (line) of its model starts there. Once both
lines have learned from the same interactions they are equal, and one of them is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import PolicyError
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.services.learning.tracked import TrackedPolicy
from bandit_platform.services.learning.walk import Standing
from bandit_platform.storage.database import Connection
from bandit_platform.storage.models import (
    ModelLine,
    model_blob,
    model_states,
    put_model_states,
    remove_model_states,
)

#: (experiment, model or pinned version, cursor) → model as of the last commit
Held = dict[tuple[str, str, int], TrainedModel]
Place = tuple[str, int]


class ModelLines:
    """The models in memory while an experiment learns, by model and cursor."""

    def __init__(self, connection: Connection, experiment: str, held: Held) -> None:
        """Read which lines are stored.

        Args:
            connection: the transaction that learns.
            experiment: key.
            held: models that are still in memory from the last commit.
        """
        self._connection = connection
        self._experiment = experiment
        self._held = held
        self._stored = {(s.model_hash, s.cursor): s for s in model_states(connection, experiment)}
        self._models: dict[Place, TrainedModel] = {}
        self._interactions: dict[Place, int] = {}

    def of(self, policy: TrackedPolicy, cursor: int) -> TrainedModel | None:
        """The model of a policy that has reached a cursor; None for a policy without one.

        Raises:
            PolicyError: it is not stored, or damaged.
        """
        if policy.exploration is None:
            return None
        if policy.pinned is not None:
            return self._pinned(policy, policy.pinned.version)
        return self._line((policy.model or "", cursor), policy.exploration)

    def advance(self, before: Iterable[Standing], after: Iterable[Standing]) -> None:
        """Advance lines with the policies that use them; of two at the same cursor, keep one."""
        for old, new in zip(before, after, strict=True):
            model = new.runner.policy.model
            if model is None or new.runner.learned is None:
                continue
            mine, place = new.runner.learned.model, (model, new.cursor)
            self._models.pop((model, old.cursor), None)
            known = self._models.setdefault(place, mine)
            self._interactions[place] = new.interactions
            if known is not mine:
                new.runner.learned.model = known
                mine.close()

    def newest(self, model: str) -> tuple[TrainedModel, int, int] | None:
        """The line of a model that has learned most, its cursor and number of interactions."""
        cursors = [cursor for name, cursor in self._models if name == model]
        if not cursors:
            return None
        place = (model, max(cursors))
        return self._models[place], place[1], self._interactions.get(place, 0)

    def store(self, standings: Iterable[Standing], kept: Collection[Place]) -> Held:
        """Write the lines that moved, and remove those that no policy needs.

        Args:
            standings: the tracked policies.
            kept: further lines that are needed.

        Returns:
            The models that memory may keep once this is committed.
        """
        used = {
            (each.runner.policy.model, each.cursor): each.interactions
            for each in standings
            if each.runner.policy.model is not None and each.cursor
        }
        wanted: dict[str, list[int]] = {}
        for model, cursor in {*used, *(place for place in kept if place in self._stored)}:
            wanted.setdefault(str(model), []).append(cursor)
        states = [
            self._state(model, line, cursor, used.get((model, cursor)))
            for model, cursors in wanted.items()
            for line, cursor in enumerate(sorted(cursors, reverse=True))
        ]
        places = {(state.model_hash, state.line) for state in states}
        stored = {(state.model_hash, state.line): state for state in self._stored.values()}
        moved = [s for s in states if stored.get((s.model_hash, s.line)) != s]
        put_model_states(self._connection, self._experiment, moved)
        remove_model_states(self._connection, self._experiment, set(stored) - places)
        return {(self._experiment, *place): model for place, model in self._models.items()}

    def _state(self, model: str, line: int, cursor: int, interactions: int | None) -> ModelLine:
        known = self._stored.get((model, cursor))
        if known is not None and (interactions is None or known.interactions == interactions):
            blob, interactions = known.blob, known.interactions
        else:
            blob = self._models[model, cursor].save()
        return ModelLine(
            model_hash=model, line=line, cursor=cursor, interactions=interactions or 0, blob=blob
        )

    def _line(self, place: Place, exploration: Exploration) -> TrainedModel:
        if place in self._models:
            return self._models[place]
        found = None
        state = self._stored.get(place)
        if place[1] == 0:
            found = TrainedModel.fresh(exploration)
        elif state is not None:
            found = self._held.pop((self._experiment, *place), None)
            found = found or TrainedModel.load(state.blob)
            self._interactions[place] = state.interactions
        if found is None:
            raise PolicyError("its model is not stored as it was written")
        self._models[place] = found
        return found

    def _pinned(self, policy: TrackedPolicy, version: int) -> TrainedModel:
        place = (policy.name, 0)
        if place not in self._models:
            found = self._held.pop((self._experiment, *place), None)
            if found is None:
                stored = model_blob(self._connection, self._experiment, version)
                if stored is None:
                    raise PolicyError(f"model version {version} is not stored")
                found = TrainedModel.load(stored[0])
            self._models[place] = found
        return self._models[place]
