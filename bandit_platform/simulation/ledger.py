"""What the service acknowledged to the shops, kept outside of it: the word it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledged:
    """A decision as the shop was told it."""

    arm: str
    reason: str
    pmf: dict[str, float]
    model_version: int | None


@dataclass(kw_only=True)
class Ledger:
    """Every acknowledgement of a run, from any number of senders."""

    decisions: dict[str, Acknowledged] = field(default_factory=dict)
    #: (decision, event)
    events: set[tuple[str, str]] = field(default_factory=set)
    #: answers to a repeated request that differ from the first one
    contradictions: list[str] = field(default_factory=list)
    #: unexpected statuses
    refusals: list[str] = field(default_factory=list)
    #: answers that were not recorded and said so
    fallbacks: int = 0
    #: seconds from sending to the answer, in the order of the answers: of decisions
    latencies: list[float] = field(default_factory=list)
    #: and of events
    event_latencies: list[float] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def decided(self, body: Mapping[str, Any], seconds: float) -> None:
        """Note an answer."""
        told = Acknowledged(
            arm=body["arm"],
            reason=body["reason"],
            pmf=body["pmf"],
            model_version=body["model_version"],
        )
        decision_id = body["decision_id"]
        with self._lock:
            self.latencies.append(seconds)
            if told.reason == "fallback":
                self.fallbacks += 1
            elif self.decisions.setdefault(decision_id, told) != told:
                first = self.decisions[decision_id]
                self.contradictions.append(f"{decision_id}: first {first}, then {told}")

    def reported(self, decision_id: str, event_id: str, seconds: float = 0.0) -> None:
        """Note an event that was taken in."""
        with self._lock:
            self.event_latencies.append(seconds)
            self.events.add((decision_id, event_id))

    def refused(self, what: str) -> None:
        """Note an answer that should not have been given."""
        with self._lock:
            self.refusals.append(what)
