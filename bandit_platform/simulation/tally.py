"""Counting what was sent to the service and what it acknowledged."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """The service's answer to one visit."""

    number: int
    decision_id: str
    arm: str
    reason: str
    #: probability of each eligible arm
    pmf: dict[str, float]


@dataclass(kw_only=True)
class Tally:
    """What one sender, or all of them together, sent and got acknowledged."""

    decisions_sent: int = 0
    #: answered 201 (new) or 200 (the stored one)
    decisions_acknowledged: int = 0
    #: answered 201
    decisions_new: int = 0
    activations_sent: int = 0
    activations_acknowledged: int = 0
    events_sent: int = 0
    events_accepted: int = 0
    events_duplicate: int = 0
    events_rejected: int = 0
    #: what went wrong (request and status, or error) → how often
    failures: Counter[str] = field(default_factory=Counter)
    served: list[Served] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take another sender's counts in."""
        self.decisions_sent += other.decisions_sent
        self.decisions_acknowledged += other.decisions_acknowledged
        self.decisions_new += other.decisions_new
        self.activations_sent += other.activations_sent
        self.activations_acknowledged += other.activations_acknowledged
        self.events_sent += other.events_sent
        self.events_accepted += other.events_accepted
        self.events_duplicate += other.events_duplicate
        self.events_rejected += other.events_rejected
        self.failures.update(other.failures)
        self.served.extend(other.served)

    def to_dict(self) -> dict[str, Any]:
        """The counts as a JSON-ready table, without the single answers."""
        return {
            name: dict(value) if name == "failures" else value
            for name, value in asdict(self).items()
            if name != "served"
        }
