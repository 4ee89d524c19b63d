"""Lists of arms that came with requests, each stored once, and the arms in them, each stored once.

A list is its arms' numbers, four bytes each, so that a catalogue of which every request has other
arms costs 400 bytes a list of a hundred. Writers take turns (:func:`take_turns`), so numbers are
given out once.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, delete, func, select

from bandit_platform.domain.request_arms import ArmList, KnownArm
from bandit_platform.storage.statements import ascii_json, batches, insert_new, table
from bandit_platform.storage.tables import ArmListRow, DecisionRow, RequestArmRow

_LIST = table(ArmListRow)
_ARM = table(RequestArmRow)
_DECISION = table(DecisionRow)


def insert_arm_lists(connection: Connection, lists: Iterable[ArmList]) -> None:
    """Store the lists that are not stored yet, in a transaction whose writer has its turn."""
    by_hash = {each.hash: each for each in lists}
    known = _stored(connection, by_hash)
    new = [each for key, each in by_hash.items() if key not in known]
    if not new:
        return
    numbers = _numbers(connection, {arm.digest: arm for each in new for arm in each.arms})
    rows = [
        {
            "hash": each.hash,
            "members": _packed([numbers[arm.digest] for arm in each.arms]),
        }
        for each in new
    ]
    insert_new(connection, ArmListRow, rows)


def arm_lists(connection: Connection, hashes: Collection[str]) -> dict[str, ArmList]:
    """The stored lists among some hashes."""
    if not hashes:
        return {}
    members = {
        row.hash: _unpacked(row.members)
        for some in batches(sorted(hashes))
        for row in connection.execute(select(_LIST).where(_LIST.c.hash.in_(some)))
    }
    wanted = sorted({number for each in members.values() for number in each})
    arms = {
        row.number: KnownArm.from_content(row.content)
        for some in batches(wanted)
        for row in connection.execute(
            select(_ARM.c.number, _ARM.c.content).where(_ARM.c.number.in_(some))
        )
    }
    return {
        key: ArmList(tuple([arms[number] for number in each]))
        for key, each in members.items()
        if all(number in arms for number in each)
    }


def lists_of_decisions(connection: Connection, ids: Collection[str]) -> set[str]:
    """The hashes of the lists that some decisions refer to."""
    return {
        key
        for some in batches(sorted(ids))
        for key in connection.execute(
            select(_DECISION.c.arms_hash).where(
                _DECISION.c.decision_id.in_(some), _DECISION.c.arms_hash.is_not(None)
            )
        ).scalars()
    }


def remove_unused(connection: Connection, hashes: Collection[str]) -> int:
    """Remove those of the lists that no stored decision refers to, and arms in no other list.

    Returns:
        How many lists were removed.
    """
    used = {
        key
        for some in batches(sorted(hashes))
        for key in connection.execute(
            select(_DECISION.c.arms_hash).where(_DECISION.c.arms_hash.in_(some)).distinct()
        ).scalars()
    }
    unused = sorted(set(hashes) - used)
    if not unused:
        return 0
    freed: set[int] = set()
    for some in batches(unused):
        chosen = _LIST.c.hash.in_(some)
        for members in connection.execute(select(_LIST.c.members).where(chosen)).scalars():
            freed.update(_unpacked(members))
        connection.execute(delete(_LIST).where(chosen))
    for members in connection.execute(select(_LIST.c.members)).scalars():
        if not freed:
            break
        freed.difference_update(_unpacked(members))
    for some in batches(sorted(freed)):
        connection.execute(delete(_ARM).where(_ARM.c.number.in_(some)))
    return len(unused)


def _stored(connection: Connection, hashes: Collection[str]) -> set[str]:
    return {
        key
        for some in batches(sorted(hashes))
        for key in connection.execute(select(_LIST.c.hash).where(_LIST.c.hash.in_(some))).scalars()
    }


def _numbers(connection: Connection, arms: Mapping[bytes, KnownArm]) -> dict[bytes, int]:
    """The number of each arm; those that are not stored yet get the next ones."""
    found = {
        bytes(row.digest): row.number
        for some in batches(sorted(arms))
        for row in connection.execute(
            select(_ARM.c.digest, _ARM.c.number).where(_ARM.c.digest.in_(some))
        )
    }
    new = [arm for digest, arm in arms.items() if digest not in found]
    if new:
        first = 1 + (connection.execute(select(func.max(_ARM.c.number))).scalar() or 0)
        numbered = list(enumerate(new, first))
        rows = [
            {"number": number, "digest": arm.digest, "content": ascii_json(arm.content)}
            for number, arm in numbered
        ]
        insert_new(connection, RequestArmRow, rows)
        found |= {arm.digest: number for number, arm in numbered}
    return found


def _packed(numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _unpacked(members: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(members) // 4}I", members)
