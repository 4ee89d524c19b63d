"""The record every estimator returns."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A point estimate with bounds, in reward units.

    Attributes:
        value: point estimate; None where there is none to be shown.
        lower: lower bound.
        upper: upper bound.
        interval: the method behind the bounds: confidence-sequence, asymptotic-cs,
            linearised-normal, normal, cressie-read, exact.
        n: rows (or units) behind the estimate.
        collecting: there are not yet enough rows; the bounds are the ends of the range.
        note: what a reader must know beside the number; empty for nothing.
    """

    value: float | None
    lower: float
    upper: float
    interval: str
    n: int
    collecting: bool = False
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping; flags and notes only where they say something, infinity as null."""
        shown: dict[str, Any] = {
            "value": self.value,
            "lower": self.lower if isfinite(self.lower) else None,
            "upper": self.upper if isfinite(self.upper) else None,
            "interval": self.interval,
            "n": self.n,
        }
        if self.collecting:
            shown["collecting"] = True
        if self.note:
            shown["note"] = self.note
        return shown
