"""Filling an experiment's roll-ups again from the first interaction, to check the stored ones."""

from __future__ import annotations

from bandit_platform.services.learning.model_lines import ModelLines
from bandit_platform.services.learning.revision_text import revision_texts
from bandit_platform.services.learning.roll_up import reward_range_of, stored_rollups
from bandit_platform.services.learning.rollups import Rollups
from bandit_platform.services.learning.tracked import tracked_now
from bandit_platform.services.learning.walk import fresh_standing, walk
from bandit_platform.services.learning.walked import Member, WalkedBatch
from bandit_platform.services.learning.weight_bounds import WeightBounds
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.interactions import policy_interactions

_BATCH = 2000


def recompute_rollups(connection: Connection, experiment: str) -> tuple[Rollups, Rollups]:
    """What is stored, and what the stored interactions give for the same blocks on fresh models.

    Where a block starts, and for which policies, is taken from the stored one; everything else is
    walked again. Both must be equal, bit for bit. Policies that are tracked no more, but still
    stored, are in neither.

    Raises:
        NotFoundError: there is no such experiment.
    """
    spec = get_experiment(connection, experiment).spec
    specs = revision_texts(connection, experiment)
    tracked = tracked_now(connection, spec)
    members = [Member(name=each.name, identity=each.identity) for each in tracked]
    stored = stored_rollups(connection, experiment).keeping(members)
    rollups = stored.emptied()
    bounds = WeightBounds.stored(connection, experiment, specs)
    models = ModelLines(connection, experiment, {})
    standings = [fresh_standing(policy, spec, models.of(policy, 0)) for policy in tracked]
    while batch := policy_interactions(connection, experiment, standings[0].cursor, limit=_BATCH):
        standings = walk(batch, standings, specs, bounds)
        rollups = rollups.updated(WalkedBatch.of(batch, standings), reward_range_of(spec))
    return stored, rollups
