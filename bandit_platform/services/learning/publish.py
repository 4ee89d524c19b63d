"""Publishing what models have learned, so that servers serve it from their next refresh on."""

from __future__ import annotations

from datetime import datetime

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.policies.arguments import model_hash, vowpal_arguments
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.storage.database import Connection
from bandit_platform.storage.models import (
    ModelVersion,
    furthest_cursor,
    model_state,
    newest_version,
    publish_version,
)


def publish(
    connection: Connection,
    experiment: str,
    definition: Exploration,
    blob: bytes,
    *,
    interactions: int,
    cursor: int,
    now: datetime,
) -> ModelVersion:
    """Publish a model under the experiment's next version number.

    Args:
        connection: a transaction that writes.
        experiment: key.
        definition: of a policy that uses the model.
        blob: the model's bytes.
        interactions: that it has learned from.
        cursor: number of the last of them.
        now: the present moment.
    """
    newest = newest_version(connection, experiment)
    version = ModelVersion(
        experiment=experiment,
        version=1 if newest is None else newest.version + 1,
        model_hash=model_hash(definition),
        arguments=vowpal_arguments(definition),
        blob_hash=blob_hash(blob),
        interactions=interactions,
        cursor=cursor,
        published_at=now,
    )
    publish_version(connection, version, blob)
    return version


def publish_newest(
    connection: Connection, experiment: str, definition: Exploration, now: datetime
) -> ModelVersion | None:
    """The newest version of a policy's model, once what it learned last is published.

    A model that is behind what was published before is left as it is, so that no version knows
    less than an earlier one; the worker publishes it when it has caught up.

    Returns:
        The version that servers will find; None where the model has none yet.
    """
    model = model_hash(definition)
    newest = newest_version(connection, experiment, model)
    state = model_state(connection, experiment, model)
    if state is None or not state.interactions or (newest and newest.cursor >= state.cursor):
        return newest
    if state.cursor < furthest_cursor(connection, experiment):
        return newest
    return publish(
        connection,
        experiment,
        definition,
        state.blob,
        interactions=state.interactions,
        cursor=state.cursor,
        now=now,
    )
