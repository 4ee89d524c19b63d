"""Segments, and policies over one another, from the stored sums."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, cast

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope import PolicyAccumulator
from bandit_platform.ope.checks.diagnostics import (
    Evidence,
    WeightDiagnostics,
    diagnose,
    hangs_on_few_rows,
)
from bandit_platform.ope.estimators.snips import snips
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence
from bandit_platform.ope.sequences.many_bounds import many_bounds
from bandit_platform.services.learning.cuts import (
    NUMBERS_FOR_EDGES,
    Cut,
    cuts_of,
    kind_of,
    label_of,
    most_segments,
)
from bandit_platform.services.learning.roll_up import reward_range_of, stored_rollups
from bandit_platform.services.learning.rollups import Rollups
from bandit_platform.services.learning.segment_block import SegmentBlock
from bandit_platform.services.learning.tracked import ALWAYS_NOTHING
from bandit_platform.services.reporting.comparison_records import PairRow, SegmentField, SegmentRow
from bandit_platform.services.reporting.report_records import (
    EstimateRow,
    ExperimentReport,
    PolicyRow,
)
from bandit_platform.storage.database import Connection
from bandit_platform.storage.policy_states import PolicyState

_INTERVAL = "confidence-sequence"


@dataclass(frozen=True, kw_only=True)
class _Both:
    """One sequence's row at its own level, and corrected for several looks."""

    alone: EstimateRow
    corrected: EstimateRow


def with_comparisons(
    connection: Connection,
    report: ExperimentReport,
    spec: ExperimentSpec,
    states: Mapping[str, PolicyState],
) -> ExperimentReport:
    """The report with its segments, pairs and corrected intervals.

    Args:
        connection: the transaction that the report was read in.
        report: without them.
        spec: the experiment as it is.
        states: where its policies stand.
    """
    scale = reward_range_of(spec)
    rollups = stored_rollups(connection, spec.key)
    looks = len(report.policies)
    kept = {
        row.name: PolicyAccumulator.from_state(json.loads(states[row.identity].accumulator))
        for row in report.policies
    }
    policies = _corrected(report.policies, kept, scale, looks)
    segment_looks = _segment_looks(rollups, spec)
    return replace(
        report,
        policies=policies,
        policy_looks=looks,
        pairwise=_pairs(policies, rollups, scale, looks),
        segments=_fields(
            rollups, spec, scale, segment_looks, {row.identity: row.name for row in policies}
        ),
        segment_looks=segment_looks,
    )


def _corrected(
    rows: Sequence[PolicyRow],
    kept: Mapping[str, PolicyAccumulator],
    scale: RewardRange,
    looks: int,
) -> tuple[PolicyRow, ...]:
    """The leaderboard's rows with intervals that hold together."""
    values = many_bounds([kept[row.name].value_sequence for row in rows], looks=looks)
    uplifts = many_bounds([kept[row.name].uplift_sequence for row in rows], looks=looks)
    made = []
    for row, value, uplift in zip(rows, values, uplifts, strict=True):
        low, high = (scale.clip(scale.unscale(end)) for end in value)
        below, above = (scale.unscale_difference(end) for end in uplift)
        exact = row.name == ALWAYS_NOTHING
        made.append(
            replace(
                row,
                corrected_value=replace(row.value, lower=low, upper=high),
                corrected_uplift=row.uplift
                if exact
                else replace(row.uplift, lower=below, upper=above),
            )
        )
    return tuple(made)


def _pairs(
    policies: Sequence[PolicyRow], rollups: Rollups, scale: RewardRange, looks: int
) -> tuple[PairRow, ...]:
    """Every policy over every other one that is compared with it, in the leaderboard's order."""
    names = {row.identity: row.name for row in policies}
    known: dict[tuple[str, str], tuple[ConfidenceSequence, int]] = {
        (names[first.identity], names[second.identity]): (
            block.uplifts.sequence(place),
            block.before,
        )
        for block in rollups.pairs
        for place, (first, second) in enumerate(block.pairs)
        if {first.identity, second.identity} <= set(names)
    }
    found = [
        pair
        for first, second in combinations(names.values(), 2)
        for pair in ((first, second), (second, first))
        if pair in known
    ]
    both = iter(_both([known[pair][0] for pair in found], scale, looks))
    made = [
        PairRow(
            policy=first,
            baseline=second,
            uplift=(one := next(both)).alone,
            corrected=one.corrected,
            before=known[first, second][1],
        )
        for first, second in found
    ]
    over_nothing = [
        PairRow(
            policy=row.name,
            baseline=ALWAYS_NOTHING,
            uplift=row.uplift,
            corrected=row.corrected_uplift or row.uplift,
            before=0,
        )
        for row in policies
        if row.name != ALWAYS_NOTHING
    ]
    return (*over_nothing, *made)


def uplift_of_pair(
    rollups: Rollups, spec: ExperimentSpec, policy: str, baseline: str
) -> EstimateRow | None:
    """The uplift of a policy over another one, by hash; None before they were compared."""
    for block in rollups.pairs:
        for place, (first, second) in enumerate(block.pairs):
            if {first.identity, second.identity} == {policy, baseline}:
                sequences = [block.uplifts.sequence(place)]
                row = _both(sequences, reward_range_of(spec), 1)[0].alone
                return row if first.identity == policy else turned(row)
    return None


def turned(row: EstimateRow) -> EstimateRow:
    """The same sequence read the other way round."""
    value = None if row.value is None else 0.0 - row.value
    return replace(row, value=value, lower=0.0 - row.upper, upper=0.0 - row.lower)


def _segment_looks(rollups: Rollups, spec: ExperimentSpec) -> int:
    """How many segments there can be in all fields.

    Not how many there are by now: a level that shrank as values turned up would have been too
    generous at the looks before.
    """
    return sum(
        max(
            most_segments(cut, spec),
            len({key for block in rollups.of_field(cut) for key in block.segments}),
        )
        for cut in cuts_of(spec)
    )


def _fields(
    rollups: Rollups,
    spec: ExperimentSpec,
    scale: RewardRange,
    looks: int,
    names: Mapping[str, str],
) -> tuple[SegmentField, ...]:
    named = {
        name
        for segment in spec.report.segments
        for name in ([segment] if isinstance(segment, str) else segment)
    }
    return tuple(
        _field(cut, rollups.of_field(cut), scale, looks, names, named=cut.field in named)
        for cut in cuts_of(spec)
    )


def _field(
    cut: Cut,
    blocks: Sequence[SegmentBlock],
    scale: RewardRange,
    looks: int,
    names: Mapping[str, str],
    *,
    named: bool,
) -> SegmentField:
    first = blocks[0] if blocks else None
    waits = cut.number and first is not None and first.edges is None
    automatic = cut.number and cut.edges is None
    return SegmentField(
        field=cut.field,
        named=named,
        edges=(first.edges if first else cut.edges) or (),
        automatic=automatic,
        waiting=NUMBERS_FOR_EDGES - len(first.numbers) if waits and first else 0,
        spent=first.spent if first else 0,
        rows=tuple(row for block in blocks for row in _block_rows(block, scale, looks, names)),
    )


def _block_rows(
    block: SegmentBlock, scale: RewardRange, looks: int, names: Mapping[str, str]
) -> list[SegmentRow]:
    """The rows of the policies that the report has, under the names that it gives them."""
    nothing = [member.identity for member in block.members].index(ALWAYS_NOTHING)
    places = [
        place
        for place, member in enumerate(block.members)
        if place != nothing and member.identity in names
    ]
    wanted = [(key, place) for key in block.segments for place in places]
    sequences = [block.segments[key].uplifts.sequence(place) for key, place in wanted]
    both = _both(sequences, scale, looks)
    made = []
    for (key, place), sequence, one in zip(wanted, sequences, both, strict=True):
        sums = block.segments[key].weights
        judged = diagnose(
            sums.sums(place), evidence=Evidence(mild=hangs_on_few_rows(sequence.stream))
        )
        base = diagnose(sums.sums(nothing))
        verdict, why = _judged(judged, base)
        made.append(
            SegmentRow(
                segment=label_of(key, block.edges or ()),
                kind=cast('Literal["value", "range", "missing", "other"]', kind_of(key)),
                policy=names[block.members[place].identity],
                n=sums.n,
                uplift=_withheld(one.alone, verdict),
                corrected=_withheld(one.corrected, verdict),
                snips=_snips(block, key, place, scale),
                ess=judged.ess,
                nothing_ess=base.ess,
                verdict=verdict,
                why=why,
                before=block.before,
            )
        )
    return made


def _judged(policy: WeightDiagnostics, nothing: WeightDiagnostics) -> tuple[str, tuple[str, ...]]:
    """A verdict on both policies whose difference is estimated, and why."""
    verdicts = {policy.verdict, nothing.verdict}
    worst = next(each for each in ("cannot-evaluate", "caution", "ok") if each in verdicts)
    reasons = (f"always showing nothing: {reason}" for reason in nothing.why)
    return worst, (*policy.why, *reasons)


def _withheld(row: EstimateRow, verdict: str) -> EstimateRow:
    """Without its point where the data cannot answer; the bounds hold all the same."""
    return replace(row, value=None) if verdict == "cannot-evaluate" else row


def _snips(block: SegmentBlock, key: str, place: int, scale: RewardRange) -> EstimateRow:
    found = snips(block.segments[key].weights.sums(place), scale=scale, alpha=0.05)
    return EstimateRow(
        value=found.value,
        lower=found.lower,
        upper=found.upper,
        interval=found.interval,
        n=found.n,
        collecting=found.collecting,
    )


def _both(sequences: Sequence[ConfidenceSequence], scale: RewardRange, looks: int) -> list[_Both]:
    alone, corrected = many_bounds(sequences), many_bounds(sequences, looks=max(looks, 1))
    return [
        _Both(alone=_row(one, first, scale), corrected=_row(one, second, scale))
        for one, first, second in zip(sequences, alone, corrected, strict=True)
    ]


def _row(one: ConfidenceSequence, bounds: tuple[float, float], scale: RewardRange) -> EstimateRow:
    """An uplift in reward units."""
    mean = one.mean()
    low, high = (scale.unscale_difference(end) for end in bounds)
    return EstimateRow(
        value=None if mean is None else scale.unscale_difference(min(max(mean, -1.0), 1.0)),
        lower=low,
        upper=high,
        interval=_INTERVAL,
        n=one.tuning.n if one.collecting else one.stream.n,
        collecting=one.collecting,
    )
