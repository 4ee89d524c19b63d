"""Where a policy's sequences stand when a later part of a log starts.

A confidence sequence depends on earlier rows through its predictor alone: through how many rows
there were and what they add up to, and through the rows that tuned it. Those are plain sums. So
parts of a log can be worked on at once: :class:`GainTotals` of a part say how far it moves every
sequence on, a *start* is a state with the sequences' positions and no sums of its own, the same
accumulators go through the part from there, and :func:`joined` adds what they found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.ope.estimators.sums import CrossSums, WeightSums
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.evaluating.policy_state import PolicyState, SupportSums, empty_segment
from bandit_platform.ope.live.accumulator import PolicyAccumulator
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence
from bandit_platform.ope.sequences.stream import Stream
from bandit_platform.ope.sequences.tuning import TuningSums

Segment = tuple[str, str]
"""Column and level."""


@dataclass(frozen=True, kw_only=True)
class GainTotals:
    """What rows of a part add to the position of a value's and an uplift's sequence.

    Attributes:
        n: rows.
        w: Σ weight of the target policy.
        wr: Σ weight times scaled reward.
        other_w: Σ weight of the baseline policy.
        other_wr: the same times scaled reward.
        value_tuning: sums over those of the rows that still tune the value's sequence.
        uplift_tuning: the same for the uplift's.
    """

    n: int
    w: float
    wr: float
    other_w: float
    other_wr: float
    value_tuning: TuningSums
    uplift_tuning: TuningSums

    @classmethod
    def of(cls, first: Floats, second: Floats, reward: Floats, *, tuning: int) -> GainTotals:
        """The totals of some rows.

        Args:
            first: weights of the target policy, shape (n,).
            second: weights of the baseline policy, shape (n,).
            reward: scaled rewards, shape (n,).
            tuning: how many rows the sequences still have to be tuned by.
        """
        head = slice(0, min(tuning, reward.shape[0]))
        return cls(
            n=reward.shape[0],
            w=float(first.sum()),
            wr=float(first @ reward),
            other_w=float(second.sum()),
            other_wr=float(second @ reward),
            value_tuning=TuningSums().updated(first[head], reward[head]),
            uplift_tuning=TuningSums().updated(first[head] - second[head], reward[head]),
        )


@dataclass(frozen=True, kw_only=True)
class PolicyTotals:
    """What a part adds to the position of all sequences of one policy.

    Attributes:
        gains: of all rows.
        supported: rows whose choice could be logged.
        supported_w: Σ weight over them.
        segments: of the rows of each segment in the part.
    """

    gains: GainTotals
    supported: int
    supported_w: float
    segments: Mapping[Segment, GainTotals]


def onward(state: PolicyState) -> PolicyState:
    """Where rows after these start."""
    arms = state.support.arm_mass.size
    return replace(
        state,
        accumulator=_onward(state.accumulator),
        calibration=state.calibration.onward(),
        top=replace(state.top, values=np.empty(0)),
        support=SupportSums.empty(arms),
        clipped=tuple(type(one)() for one in state.clipped),
        segments={key: _onward(one) for key, one in state.segments.items()},
    )


def moved(start: PolicyState, totals: PolicyTotals, plan: Plan, policy: str) -> PolicyState:
    """Where rows start that come after a part with these totals."""
    levels = {each.column: len(each.levels) for each in plan.segmenters}
    segments = dict(start.segments)
    for key, gains in totals.segments.items():
        before = segments.get(key) or empty_segment(plan, policy, levels[key[0]])
        segments[key] = _moved(before, gains, plan, policy)
    return replace(
        start,
        accumulator=_moved(start.accumulator, totals.gains, plan, policy),
        calibration=start.calibration.moved(totals.supported, totals.supported_w),
        segments=segments,
    )


def joined(first: PolicyState, later: PolicyState) -> PolicyState:
    """The state of rows and of later ones that started from :func:`onward` it."""
    both = {
        key: _joined(first.segments[key], one) if key in first.segments else one
        for key, one in later.segments.items()
    }
    return PolicyState(
        accumulator=_joined(first.accumulator, later.accumulator),
        calibration=first.calibration.joined(later.calibration),
        top=first.top.merged(later.top),
        support=first.support.merged(later.support),
        clipped=tuple(a.merged(b) for a, b in zip(first.clipped, later.clipped, strict=True)),
        segments={**first.segments, **both},
    )


def _onward(state: PolicyAccumulator) -> PolicyAccumulator:
    value, uplift = state.value_sequence, state.uplift_sequence
    return replace(
        state,
        target=WeightSums(),
        baseline=WeightSums(),
        cross=CrossSums(),
        value_sequence=replace(value, stream=value.stream.onward()),
        uplift_sequence=replace(uplift, stream=uplift.stream.onward()),
    )


def _joined(first: PolicyAccumulator, later: PolicyAccumulator) -> PolicyAccumulator:
    value, uplift = later.value_sequence, later.uplift_sequence
    return replace(
        later,
        target=first.target.merged(later.target),
        baseline=first.baseline.merged(later.baseline),
        cross=first.cross.merged(later.cross),
        value_sequence=replace(value, stream=first.value_sequence.stream.joined(value.stream)),
        uplift_sequence=replace(uplift, stream=first.uplift_sequence.stream.joined(uplift.stream)),
    )


def _moved(
    state: PolicyAccumulator, gains: GainTotals, plan: Plan, policy: str
) -> PolicyAccumulator:
    bound, other = plan.weight_bound(policy), plan.weight_bound(plan.baseline)
    value = _sequence_moved(
        state.value_sequence, gains.n, gains.w, gains.wr, gains.value_tuning, bounds=(bound, 0.0)
    )
    uplift = state.uplift_sequence
    if not state.same_policy:
        uplift = _sequence_moved(
            uplift,
            gains.n,
            gains.w - gains.other_w,
            gains.wr - gains.other_wr,
            gains.uplift_tuning,
            bounds=(bound, other),
        )
    return replace(state, value_sequence=value, uplift_sequence=uplift)


def _sequence_moved(
    start: ConfidenceSequence,
    n: int,
    gain: float,
    rewarded: float,
    tuning: TuningSums,
    *,
    bounds: tuple[float, float],
) -> ConfidenceSequence:
    """The position after n more rows with these Σg and Σgr, some of which may tune it."""
    if n == 0:
        return start
    state = start
    if tuning.n:
        state = state.tuned(state.tuning.merged(tuning), *bounds)
    if state.frozen is None:
        return state
    rest, offset = n - tuning.n, state.frozen.offset
    base = offset if state.settings.kind == "value" else 0.0
    total = rest * base + (rewarded - tuning.gr) - offset * (gain - tuning.g)
    stream = Stream(n=state.stream.n + rest, z=state.stream.z + total)
    return replace(state, stream=stream, bound=bounds[0], baseline_bound=bounds[1])
