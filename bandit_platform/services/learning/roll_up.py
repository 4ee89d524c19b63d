"""Adding a batch to an experiment's roll-ups, and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import StorageError
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.services.learning.rollup_state import decoded, encoded
from bandit_platform.services.learning.rollups import Rollups
from bandit_platform.services.learning.walked import WalkedBatch
from bandit_platform.storage.database import Connection
from bandit_platform.storage.interactions import Interaction
from bandit_platform.storage.rollups import put_rollup_state, rollup_state

if TYPE_CHECKING:
    from bandit_platform.services.learning.walk import Standing

_log = structlog.get_logger(__name__)


def roll_up(
    connection: Connection,
    spec: ExperimentSpec,
    batch: Sequence[Interaction],
    standings: Sequence[Standing],
) -> None:
    """Add a batch to the stored sums.

    Args:
        connection: the transaction that also stores the standings.
        spec: the experiment as it is.
        batch: the interactions.
        standings: every tracked policy, all after the batch.
    """
    walked = WalkedBatch.of(batch, standings)
    rollups = stored_rollups(connection, spec.key).aligned(spec, walked)
    after = rollups.updated(walked, reward_range_of(spec))
    put_rollup_state(connection, spec.key, encoded(after))


def stored_rollups(connection: Connection, experiment: str) -> Rollups:
    """An experiment's roll-ups; empty before the first batch.

    What cannot be read is reported and begun anew, as if everything had been added just now:
    learning and the leaderboard do not depend on it.
    """
    stored = rollup_state(connection, experiment)
    if stored is None:
        return Rollups()
    try:
        return decoded(stored)
    except StorageError as error:
        _log.error("segments begin anew", experiment=experiment, error=str(error))
        return Rollups()


def reward_range_of(spec: ExperimentSpec) -> RewardRange:
    """The declared range of rewards."""
    low, high = spec.reward_range
    return RewardRange(low=low, high=high)
