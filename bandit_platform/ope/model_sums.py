"""The model-based estimators of one policy, as sums over rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bandit_platform.ope.dm import dm_scores
from bandit_platform.ope.dr import dr_scores
from bandit_platform.ope.dr_sequence import DrSequence, ModelSpan
from bandit_platform.ope.dros import dros_scores
from bandit_platform.ope.scores import ModelColumns, ScoreSums
from bandit_platform.ope.slope import weight_grid
from bandit_platform.ope.sndr import SndrSums
from bandit_platform.ope.switch_dr import switch_dr_scores
from bandit_platform.ope.tuning import TuningSums


@dataclass(frozen=True, kw_only=True)
class ModelSums:
    """What the model-based estimators keep of one policy.

    Attributes:
        estimators: which of them were asked for.
        bound: the policy's weight bound W.
        value: confidence sequence of the value by DR.
        uplift: confidence sequence of the uplift by DR.
        dm: sums of the direct method.
        dr: sums of DR.
        mrdr: sums of DR with the model fitted for it.
        sndr: sums of SNDR.
        switch: sums of SWITCH-DR by threshold, the least biased first.
        dros: sums of DRos by shrinkage, the least biased first.
    """

    estimators: frozenset[str]
    bound: float
    value: DrSequence
    uplift: DrSequence
    dm: ScoreSums = field(default_factory=ScoreSums)
    dr: ScoreSums = field(default_factory=ScoreSums)
    mrdr: ScoreSums = field(default_factory=ScoreSums)
    sndr: SndrSums = field(default_factory=SndrSums)
    switch: tuple[ScoreSums, ...] = ()
    dros: tuple[ScoreSums, ...] = ()

    @property
    def grid(self) -> tuple[float, ...]:
        """Thresholds τ of SWITCH-DR; the shrinkages λ of DRos are their squares."""
        return weight_grid(self.bound)

    def started(self, span: ModelSpan, own: ModelColumns, other: ModelColumns | None) -> ModelSums:
        """The sequences with all fixed that rows before the first fit have to fix.

        Args:
            span: where predictions are clipped to.
            own: the target policy on rows before the first fit.
            other: the baseline policy on the same rows; None where its PMF is not known.
        """
        residual = own.reward - own.fitted
        tuned = TuningSums().updated(own.weight, residual)
        start = float(own.direct.mean())
        value = self.value.started(span, variance=tuned.variance(offset=0.0), start=start)
        if other is None:
            return replace(self, value=value)
        lifted = TuningSums().updated(own.weight - other.weight, residual)
        return replace(
            self,
            value=value,
            uplift=self.uplift.started(
                span,
                variance=lifted.variance(offset=0.0),
                start=start - float(other.direct.mean()),
            ),
        )

    def updated(
        self, own: ModelColumns, other: ModelColumns | None, fitted_for_dr: ModelColumns | None
    ) -> ModelSums:
        """The sums after more rows.

        Args:
            own: the target policy with the common model.
            other: the baseline policy on the same rows; None where its PMF is not known.
            fitted_for_dr: the target policy with the MRDR model; None where it is not asked for.
        """
        doubly = dr_scores(own)
        return replace(
            self,
            value=self.value.updated(doubly),
            uplift=self.uplift if other is None else self.uplift.updated(doubly - dr_scores(other)),
            dr=self.dr.updated(doubly),
            dm=self.dm.updated(dm_scores(own)) if "dm" in self.estimators else self.dm,
            sndr=self.sndr.updated(own) if "sndr" in self.estimators else self.sndr,
            mrdr=self.mrdr
            if fitted_for_dr is None
            else self.mrdr.updated(dr_scores(fitted_for_dr)),
            switch=self._switched(own),
            dros=self._shrunk(own),
        )

    def _switched(self, own: ModelColumns) -> tuple[ScoreSums, ...]:
        if "switch-dr" not in self.estimators:
            return ()
        before = self.switch or (ScoreSums(),) * len(self.grid)
        return tuple(
            sums.updated(switch_dr_scores(own, threshold=threshold))
            for sums, threshold in zip(before, self.grid, strict=True)
        )

    def _shrunk(self, own: ModelColumns) -> tuple[ScoreSums, ...]:
        if "dros" not in self.estimators:
            return ()
        grid = (np.inf, *self.grid)
        before = self.dros or (ScoreSums(),) * len(grid)
        return tuple(
            sums.updated(dros_scores(own, shrinkage=threshold**2))
            for sums, threshold in zip(before, grid, strict=True)
        )
