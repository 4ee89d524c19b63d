"""Roll-ups as bytes: a checksum, a header that names what there is, then all numbers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bandit_platform.errors import StorageError
from bandit_platform.ope.live.uplift_bank import ROWS as UPLIFT_ROWS
from bandit_platform.ope.live.uplift_bank import UpliftBank
from bandit_platform.ope.live.weight_bank import ROWS as WEIGHT_ROWS
from bandit_platform.ope.live.weight_bank import WeightBank
from bandit_platform.ope.reward_range import Floats
from bandit_platform.services.learning.cuts import Cut
from bandit_platform.services.learning.pair_block import SETTINGS as PAIR_SETTINGS
from bandit_platform.services.learning.pair_block import PairBlock
from bandit_platform.services.learning.rollups import Rollups
from bandit_platform.services.learning.segment_block import SETTINGS, SegmentBlock, SegmentSums
from bandit_platform.services.learning.walked import Member

_FORM = 1
_SUM, _LENGTH = 4, 8
_NUMBERS = np.dtype("<f8")

Take = Callable[[int, int], Floats]


def encoded(rollups: Rollups) -> bytes:
    """The bytes; equal roll-ups give equal bytes."""
    tables: list[Floats] = []
    header = {
        "form": _FORM,
        "segments": [_segment_header(block, tables) for block in rollups.segments],
        "pairs": [_pair_header(block, tables) for block in rollups.pairs],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    numbers = b"".join(np.ascontiguousarray(each, dtype=_NUMBERS).tobytes() for each in tables)
    content = len(text).to_bytes(_LENGTH, "little") + text + numbers
    return zlib.crc32(content).to_bytes(_SUM, "little") + content


def decoded(state: bytes) -> Rollups:
    """What :func:`encoded` wrote.

    Raises:
        StorageError: the bytes are damaged, or of another form.
    """
    if int.from_bytes(state[:_SUM], "little") != zlib.crc32(state[_SUM:]):
        raise StorageError("the stored sums of segments and pairs are damaged")
    start = _SUM + _LENGTH
    end = start + int.from_bytes(state[_SUM:start], "little")
    header = json.loads(state[start:end])
    if header.get("form") != _FORM:
        raise StorageError("the stored sums of segments and pairs are of another form")
    numbers = np.frombuffer(state, dtype=_NUMBERS, offset=end)
    taken = 0

    def take(rows: int, columns: int) -> Floats:
        nonlocal taken
        first, taken = taken, taken + rows * columns
        return numbers[first:taken].reshape(rows, columns)

    segments = tuple(_segment_block(each, take) for each in header["segments"])
    pairs = tuple(_pair_block(each, take) for each in header["pairs"])
    return Rollups(segments=segments, pairs=pairs)


def _segment_header(block: SegmentBlock, tables: list[Floats]) -> dict[str, Any]:
    for sums in block.segments.values():
        tables += [sums.uplifts.table, sums.weights.table]
    cut = block.cut
    return {
        "cut": {
            "field": cut.field,
            "number": cut.number,
            "edges": cut.edges,
            "contains": cut.contains,
            "values": cut.values,
            "closed": cut.closed,
        },
        "members": [_names(each) for each in block.members],
        "since": block.since,
        "before": block.before,
        "spent": block.spent,
        "edges": block.edges,
        "numbers": block.numbers,
        "given": block.given,
        "waiting": block.waiting,
        "segments": [[key, sums.weights.n] for key, sums in block.segments.items()],
    }


def _pair_header(block: PairBlock, tables: list[Floats]) -> dict[str, Any]:
    tables.append(block.uplifts.table)
    members = list(dict.fromkeys(member for pair in block.pairs for member in pair))
    places = {member: place for place, member in enumerate(members)}
    return {
        "members": [_names(each) for each in members],
        "pairs": [[places[first], places[second]] for first, second in block.pairs],
        "since": block.since,
        "before": block.before,
        "n": block.uplifts.n,
    }


def _segment_block(header: dict[str, Any], take: Take) -> SegmentBlock:
    size = len(header["members"])
    cut, edges = header["cut"], header["edges"]
    return SegmentBlock(
        cut=Cut(
            field=cut["field"],
            number=cut["number"],
            edges=None if cut["edges"] is None else tuple(cut["edges"]),
            contains=cut["contains"],
            values=None if cut["values"] is None else tuple(cut["values"]),
            closed=cut["closed"],
        ),
        members=_members(header["members"]),
        since=header["since"],
        before=header["before"],
        spent=header["spent"],
        edges=None if edges is None else tuple(edges),
        numbers=tuple(header["numbers"]),
        given=header.get("given", {}),
        waiting=header.get("waiting", ()),
        segments={
            key: SegmentSums(
                uplifts=UpliftBank(settings=SETTINGS, n=n, table=take(UPLIFT_ROWS, size)),
                weights=WeightBank(n=n, table=take(WEIGHT_ROWS, size)),
            )
            for key, n in header["segments"]
        },
    )


def _pair_block(header: dict[str, Any], take: Take) -> PairBlock:
    members = _members(header["members"])
    pairs = tuple((members[first], members[second]) for first, second in header["pairs"])
    table = take(UPLIFT_ROWS, len(pairs))
    return PairBlock(
        pairs=pairs,
        since=header["since"],
        before=header["before"],
        uplifts=UpliftBank(settings=PAIR_SETTINGS, n=header["n"], table=table),
    )


def _names(member: Member) -> list[str]:
    return [member.name, member.identity]


def _members(names: list[list[str]]) -> tuple[Member, ...]:
    return tuple(Member(name=name, identity=identity) for name, identity in names)
