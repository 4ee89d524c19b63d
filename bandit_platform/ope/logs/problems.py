"""Bad rows of a log, found a column at a time, reported by the topmost of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import LogError

Mask = npt.NDArray[np.bool_]


@dataclass(kw_only=True)
class Problems:
    """Bad rows found so far, each with the first thing wrong with it.

    Attributes:
        where: says where a row stands, from its position (``log.csv, line 7``).
        bad: rows found bad, shape (n,).
        first: position and message of the topmost bad row.
    """

    where: Callable[[int], str]
    bad: Mask
    first: tuple[int, str] | None = field(default=None)

    def add(self, rows: Mask, message: Callable[[int], str]) -> None:
        """Note the rows as bad; the message is made for the topmost one only."""
        if not rows.any():
            return
        at = int(np.argmax(rows))
        if self.first is None or at < self.first[0]:
            self.first = (at, message(at))
        self.bad |= rows

    def error(self) -> LogError | None:
        """The error for the topmost bad row, None where all rows are good."""
        if self.first is None:
            return None
        at, message = self.first
        return LogError(f"{self.where(at)}: {message}")
