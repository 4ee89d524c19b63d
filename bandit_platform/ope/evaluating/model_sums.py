"""The model-based estimators of one policy, as sums over rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bandit_platform.ope.estimators.dm import dm_scores
from bandit_platform.ope.estimators.dr import dr_scores
from bandit_platform.ope.estimators.dros import dros_scores
from bandit_platform.ope.estimators.scores import ModelColumns, ScoreSums, updated_together
from bandit_platform.ope.estimators.slope import GRID_SIZE, weight_grid
from bandit_platform.ope.estimators.sndr import SndrSums
from bandit_platform.ope.estimators.switch_dr import SwitchSums
from bandit_platform.ope.sequences.dr_sequence import DrSequence, ModelSpan
from bandit_platform.ope.sequences.tuning import TuningSums


@dataclass(frozen=True, kw_only=True)
class DrTotals:
    """What a part adds to the position of one policy's DR sequences.

    Attributes:
        n: rows.
        value: Σ of the DR pseudo-outcome of the value.
        uplift: Σ of that of the uplift; None where the baseline's PMF is not known.
    """

    n: int = 0
    value: float = 0.0
    uplift: float | None = 0.0

    def updated(self, own: ModelColumns, other: ModelColumns | None) -> DrTotals:
        """The totals after more rows; arguments as in :meth:`ModelSums.updated`."""
        doubly = dr_scores(own)
        uplift = None
        if other is not None and self.uplift is not None:
            uplift = self.uplift + float((doubly - dr_scores(other)).sum())
        return DrTotals(
            n=self.n + doubly.shape[0], value=self.value + float(doubly.sum()), uplift=uplift
        )


@dataclass(frozen=True, kw_only=True)
class ModelSums:
    """What the model-based estimators keep of one policy.

    Attributes:
        estimators: which of them were asked for.
        bound: the policy's weight bound W.
        value: confidence sequence of the value by DR.
        uplift: confidence sequence of the uplift by DR.
        dm: sums of the direct method.
        mrdr: sums of DR with the model fitted for it.
        sndr: sums of SNDR.
        switch: sums of SWITCH-DR for all thresholds.
        dros: sums of DRos by shrinkage, the least biased first.
    """

    estimators: frozenset[str]
    bound: float
    value: DrSequence
    uplift: DrSequence
    dm: ScoreSums = field(default_factory=ScoreSums)
    mrdr: ScoreSums = field(default_factory=ScoreSums)
    sndr: SndrSums = field(default_factory=SndrSums)
    switch: SwitchSums = field(default_factory=lambda: SwitchSums.empty(GRID_SIZE))
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

    def onward(self) -> ModelSums:
        """Where rows after these start: the sequences' positions, and no sums."""
        return ModelSums(
            estimators=self.estimators,
            bound=self.bound,
            value=self.value.onward(),
            uplift=self.uplift.onward(),
        )

    def moved(self, totals: DrTotals) -> ModelSums:
        """Where rows start that come after a part with these totals; for a :meth:`onward` only."""
        uplift = self.uplift
        if totals.uplift is not None:
            uplift = uplift.moved(totals.n, totals.uplift)
        return replace(self, value=self.value.moved(totals.n, totals.value), uplift=uplift)

    def joined(self, later: ModelSums) -> ModelSums:
        """The sums of these rows and of later ones that started from :meth:`onward`."""
        return replace(
            later,
            value=self.value.joined(later.value),
            uplift=self.uplift.joined(later.uplift),
            dm=self.dm.merged(later.dm),
            mrdr=self.mrdr.merged(later.mrdr),
            sndr=self.sndr.merged(later.sndr),
            switch=self.switch.merged(later.switch),
            dros=_merged(self.dros, later.dros),
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
            dm=self.dm.updated(dm_scores(own)) if "dm" in self.estimators else self.dm,
            sndr=self.sndr.updated(own) if "sndr" in self.estimators else self.sndr,
            mrdr=self.mrdr
            if fitted_for_dr is None
            else self.mrdr.updated(dr_scores(fitted_for_dr)),
            switch=self.switch.updated(own, self.grid)
            if "switch-dr" in self.estimators
            else self.switch,
            dros=self._shrunk(own),
        )

    def _shrunk(self, own: ModelColumns) -> tuple[ScoreSums, ...]:
        if "dros" not in self.estimators:
            return ()
        grid = (np.inf, *self.grid)
        before = self.dros or (ScoreSums(),) * len(grid)
        return updated_together(
            before, [dros_scores(own, shrinkage=threshold**2) for threshold in grid]
        )


def _merged(first: tuple[ScoreSums, ...], second: tuple[ScoreSums, ...]) -> tuple[ScoreSums, ...]:
    """Sums by parameter of both sets of rows; none at all stand for rows that had no model."""
    if not first or not second:
        return first or second
    return tuple(one.merged(other) for one, other in zip(first, second, strict=True))
