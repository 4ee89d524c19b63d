"""Look at a part of a log ahead of the accumulators: how far will it move what they carry on?

Everything here is a plain sum over the part's own rows, so all parts can be looked at at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.estimators.features import Encoder
from bandit_platform.ope.estimators.mrdr import mrdr_fit_weights
from bandit_platform.ope.estimators.reward_model import RidgeLearner
from bandit_platform.ope.estimators.scores import ModelColumns
from bandit_platform.ope.evaluating.model_state import LearnerFactory, fits_within
from bandit_platform.ope.evaluating.model_sums import DrTotals
from bandit_platform.ope.evaluating.modelling import Lessons, Modelling
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.evaluating.policy_state import empty_segment
from bandit_platform.ope.evaluating.starts import GainTotals, PolicyTotals, Segment
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.segments import Segmenter
from bandit_platform.ope.logs.targets import Target, TargetSource, target_of
from bandit_platform.ope.reward_range import Floats

PIECE = 32_768
"""Rows worked on together; bounds memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PartLook:
    """What a part says of itself beforehand.

    Attributes:
        n: rows.
        counts: rows by logged arm, shape (arms,); None where PMFs are not known.
        expected: Σ propensity by arm, shape (arms,); None where PMFs are not known.
        policies: how far each policy's sequences are moved.
        lessons: what reward models learn; None where there are none.
    """

    n: int
    counts: Floats | None
    expected: Floats | None
    policies: Mapping[str, PolicyTotals]
    lessons: Lessons | None


def look(
    plan: Plan,
    log: DecisionLog,
    targets: Mapping[str, Target],
    *,
    first: int,
    segment_rows: Mapping[Segment, int],
    encoder: Encoder | None,
) -> PartLook:
    """Look at a part that comes after the tuning rows.

    Args:
        plan: the evaluation.
        log: the part's rows.
        targets: every policy on them, the baseline included.
        first: rows of the log before the part.
        segment_rows: rows of each segment before the part.
        encoder: features of the reward models; None where there are none.
    """
    reward = plan.scale.scale(log.reward)
    codes = {each.column: each.codes(log) for each in plan.segmenters}
    pmf = log.pmf
    return PartLook(
        n=len(log),
        counts=None
        if pmf is None
        else np.bincount(log.arm, minlength=len(log.arms)).astype(np.float64),
        expected=None if pmf is None else pmf.sum(axis=0),
        policies={
            policy: _policy_totals(
                plan, reward, (targets[policy], targets[plan.baseline]), codes, segment_rows
            )
            for policy in plan.policies
        },
        lessons=None if encoder is None else _lessons(plan, log, targets, first, encoder),
    )


def segment_rows(segmenters: Iterable[Segmenter], log: DecisionLog) -> dict[Segment, int]:
    """Rows of each segment in a part."""
    found: dict[Segment, int] = {}
    for each in segmenters if len(log) else ():
        counts = np.bincount(each.codes(log), minlength=len(each.levels))
        for level, rows in zip(each.levels, counts, strict=True):
            found[each.column, level] = int(rows)
    return found


def _policy_totals(
    plan: Plan,
    reward: Floats,
    both: tuple[Target, Target],
    codes: Mapping[str, npt.NDArray[np.int64]],
    before: Mapping[Segment, int],
) -> PolicyTotals:
    segments, (first, second) = {}, both
    for each in plan.segmenters:
        empty = empty_segment(plan, plan.baseline, len(each.levels))
        tuning = empty.value_sequence.settings.tuning_rows
        of_rows = codes[each.column]
        for code in np.unique(of_rows):
            key, rows = (each.column, each.levels[code]), np.flatnonzero(of_rows == code)
            segments[key] = GainTotals.of(
                first.weight[rows],
                second.weight[rows],
                reward[rows],
                tuning=max(tuning - before.get(key, 0), 0),
            )
    supported = first.weight[~first.unsupported]
    return PolicyTotals(
        gains=GainTotals.of(first.weight, second.weight, reward, tuning=0),
        supported=supported.shape[0],
        supported_w=float(supported.sum()),
        segments=segments,
    )


def _lessons(
    plan: Plan,
    log: DecisionLog,
    targets: Mapping[str, Target],
    first: int,
    encoder: Encoder,
) -> Lessons:
    reward = plan.scale.scale(log.reward)
    own = plan.policies if "mrdr" in plan.estimators else ()
    weights = {
        policy: mrdr_fit_weights(targets[policy].probability, log.propensity) for policy in own
    }
    empty = RidgeLearner.empty(arms=len(log.arms), width=encoder.width)
    common, special = [], {policy: list[RidgeLearner]() for policy in own}
    ends = [*fits_within(first, len(log), plan.tuning_rows), len(log)]
    start = 0
    for end in ends:
        learner, learners = empty, dict.fromkeys(own, empty)
        for at in range(start, end, PIECE):
            rows = slice(at, min(at + PIECE, end))
            piece = log.rows(rows)
            features = encoder.encoded(piece.context, len(piece))
            learner = learner.updated(features, piece.arm, reward[rows], None)
            for policy, one in learners.items():
                learners[policy] = one.updated(
                    features, piece.arm, reward[rows], weights[policy][rows]
                )
        common.append(learner)
        for policy, one in learners.items():
            special[policy].append(one)
        start = end
    return Lessons(
        common=tuple(common), own={policy: tuple(found) for policy, found in special.items()}
    )


class DrLookout(Modelling):
    """Goes through a part for the totals of its DR pseudo-outcomes alone."""

    @classmethod
    def of(cls, through: Modelling) -> DrLookout:
        """A look ahead for a part whose models are foretold."""
        made = cls(through.plan, through.common.factory)
        made.common, made.own = through.common, {}
        made.totals = dict.fromkeys(through.plan.policies, DrTotals())
        return made

    def __init__(self, plan: Plan, factory: LearnerFactory) -> None:
        """As for every :class:`~.modelling.Modelling`."""
        super().__init__(plan, factory)
        self.totals: dict[str, DrTotals] = {}

    def _add_up(
        self,
        policy: str,
        columns: Mapping[str, ModelColumns | None],
        special: ModelColumns | None,
    ) -> None:
        del special  # MRDR has no sequence
        own = columns[policy]
        if own is not None:
            other = columns[self.plan.baseline]
            self.totals[policy] = self.totals[policy].updated(own, other)


def look_at_models(
    through: Modelling, log: DecisionLog, sources: Mapping[str, TargetSource]
) -> dict[str, DrTotals]:
    """Look at a part once the models that will predict it are known.

    Args:
        through: its start, with all fits in the part foretold.
        log: the part's rows.
        sources: policies that the log alone cannot define, by specification.
    """
    plan, lookout, start = through.plan, DrLookout.of(through), 0
    while start < len(log):
        size = min(PIECE, lookout.rows_to_next_fit, len(log) - start)
        piece = log.rows(slice(start, start + size))
        targets = {
            policy: target_of(piece, policy, sources, floor=plan.floor)
            for policy in {plan.baseline, *plan.policies}
        }
        lookout.take(piece, targets)
        start += size
    return lookout.totals
