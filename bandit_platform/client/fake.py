"""A client for tests: it answers as it was told and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from bandit_platform.client.client import Client
from bandit_platform.client.decision import NOTHING, ContextValue, Decision
from bandit_platform.client.outbox import moment_text
from bandit_platform.errors import InputError


class FakeClient(Client):
    """Stands in for :class:`~bandit_platform.client.Client`; no service, no thread, no waiting."""

    def __init__(self) -> None:  # nothing of a real one is needed
        #: every question: experiment, unit_id, context and the options given
        self.asked: list[dict[str, Any]] = []
        #: every decision given, in order
        self.decisions: list[Decision] = []
        #: every outcome reported: event_id, decision_id or experiment and request_key, type and
        #: what else was given
        self.events: list[dict[str, Any]] = []
        #: decisions that were activated
        self.activated: list[str] = []
        self._answers: dict[str, tuple[str, Mapping[str, Any] | None]] = {}

    def will_answer(
        self, experiment: str, arm: str, offer: Mapping[str, Any] | None = None
    ) -> Self:
        """Answer an experiment with an arm from now on; others are answered with nothing."""
        self._answers[experiment] = (arm, offer)
        return self

    def decide(
        self,
        experiment: str,
        unit_id: str,
        context: Mapping[str, ContextValue] | None = None,
        *,
        request_key: str | None = None,
        eligible_arms: Sequence[str] | None = None,
        excluded_arms: Sequence[str] = (),
        arms: Sequence[Mapping[str, Any]] | None = None,
        session_id: str | None = None,
        page_id: str | None = None,
        baseline_arms: Sequence[str] = (),
        defer_activation: bool = False,
    ) -> Decision:
        """The answer that was set."""
        options = {
            "request_key": request_key,
            "eligible_arms": eligible_arms,
            "excluded_arms": excluded_arms,
            "arms": arms,
            "session_id": session_id,
            "page_id": page_id,
            "baseline_arms": baseline_arms,
            "defer_activation": defer_activation,
        }
        self.asked.append(
            {"experiment": experiment, "unit_id": unit_id, "context": dict(context or {})}
            | {name: value for name, value in options.items() if value}
        )
        arm, offer = self._answers.get(experiment, (NOTHING, None))
        decision = Decision(
            experiment=experiment,
            arm=arm,
            offer=offer,
            decision_id=f"decision-{len(self.asked)}",
            reason="policy",
            propensity=1.0,
            pmf={arm: 1.0},
            model_version=1,
        )
        self.decisions.append(decision)
        return decision

    def report(
        self,
        decision: Decision | str,
        type: str,  # noqa: A002 - as the real one
        *,
        amount: float | Decimal | None = None,
        currency: str | None = None,
        event_id: str | None = None,
        occurred_at: datetime | str | None = None,
    ) -> str | None:
        """Remember an outcome; a moment that the real one does not take is not taken either."""
        decision_id = decision.decision_id if isinstance(decision, Decision) else decision
        if decision_id is None:
            return None
        return self._report(
            {"decision_id": decision_id},
            type,
            amount=amount,
            currency=currency,
            event_id=event_id,
            occurred_at=occurred_at,
        )

    def report_request(
        self,
        experiment: str,
        request_key: str,
        type: str,  # noqa: A002 - as the real one
        *,
        unit_id: str | None = None,
        amount: float | Decimal | None = None,
        currency: str | None = None,
        event_id: str | None = None,
        occurred_at: datetime | str | None = None,
    ) -> str | None:
        """Remember an outcome."""
        return self._report(
            {"experiment": experiment, "request_key": request_key, "unit_id": unit_id},
            type,
            amount=amount,
            currency=currency,
            event_id=event_id,
            occurred_at=occurred_at,
        )

    def _report(
        self,
        named: Mapping[str, str | None],
        kind: str,
        *,
        amount: float | Decimal | None,
        currency: str | None,
        event_id: str | None,
        occurred_at: datetime | str | None,
    ) -> str | None:
        try:
            moment_text(occurred_at or datetime.now(UTC))
        except InputError:
            return None
        event_id = event_id or f"event-{len(self.events) + 1}"
        event = {
            "event_id": event_id,
            **named,
            "type": kind,
            "amount": amount,
            "currency": currency,
            "occurred_at": occurred_at,
        }
        self.events.append({name: it for name, it in event.items() if it is not None})
        return event_id

    def activate(self, decision: Decision | str) -> bool:
        """Remember an activation."""
        decision_id = decision.decision_id if isinstance(decision, Decision) else decision
        if decision_id is not None:
            self.activated.append(decision_id)
        return decision_id is not None

    @property
    def dropped(self) -> int:
        """Nothing is ever lost."""
        return 0

    def flush(self, timeout: float = 5.0) -> int:  # noqa: ARG002 - as the real one
        """Nothing waits."""
        return 0

    def close(self, timeout: float = 5.0) -> int:
        """Nothing waits."""
        return self.flush(timeout)
