"""Lists of arms that came with requests: stored before the decisions that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.request_arms import ArmList
from bandit_platform.journal.erase import arms_of_segment
from bandit_platform.journal.reader import Chunk
from bandit_platform.journal.records import RequestArms
from bandit_platform.storage.arm_lists import arm_lists, insert_arm_lists
from bandit_platform.storage.database import Connection

_log = structlog.get_logger(__name__)


def store_arms(
    connection: Connection, chunks: Sequence[Chunk], paths: Mapping[str, Path]
) -> list[Decision]:
    """Store the lists of the chunks, and return their decisions with the lists they name.

    A list may have been stored and removed again (``forget``) while its segment went on, so what
    is missing is looked for in the segment's earlier part.

    Args:
        connection: the transaction that stores the decisions.
        chunks: read from the journal.
        paths: of the segments, by name.
    """
    read = {
        record.arms.hash: record.arms
        for chunk in chunks
        for record in chunk.records
        if isinstance(record, RequestArms)
    }
    named = {
        chunk.segment: {
            draw.arms_hash
            for record in chunk.records
            if isinstance(record, Decision)
            for draw in record.draws
            if draw.arms_hash is not None
        }
        for chunk in chunks
    }
    wanted = {key for hashes in named.values() for key in hashes}
    known = {**arm_lists(connection, wanted - read.keys()), **read}
    for segment, hashes in named.items():
        if missing := hashes - known.keys():
            known |= arms_of_segment(paths[segment], missing)
    for key in wanted - known.keys():
        _log.error("arms of requests are missing in the journal", hash=key)
    insert_arm_lists(connection, [known[key] for key in wanted & known.keys()])
    return [
        _with_arms(record, known) if record.draws[0].arms_hash is not None else record
        for chunk in chunks
        for record in chunk.records
        if isinstance(record, Decision)
    ]


def _with_arms(decision: Decision, known: Mapping[str, ArmList]) -> Decision:
    draws = tuple(
        replace(draw, arms=known.get(draw.arms_hash)) if draw.arms_hash else draw
        for draw in decision.draws
    )
    return replace(decision, draws=draws)
