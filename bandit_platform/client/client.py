"""Asking for decisions and reporting outcomes, from a shop's server."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from bandit_platform.client.connections import Connections, Reply
from bandit_platform.client.decision import ContextValue, Decision, decision_from, unavailable
from bandit_platform.client.outbox import Outbox, Report, event_report, moment_text
from bandit_platform.errors import InputError, UnavailableError

_log = logging.getLogger("bandit_platform.client")
_REPORT_SECONDS = 5.0
#: what went wrong is told so often, however many pages ask
_TELL_SECONDS = 10.0


class Client:
    """A shop's connection to the decision service. Threads may share one.

    Args:
        url: address of the service, such as ``https://decisions.shop.example``.
        key: a secret key with role ``server``.
        timeout: seconds that a decision may take; after that the answer is nothing.

    Raises:
        InputError: the address or the key cannot be one.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 0.25) -> None:
        self._connections = Connections(url, key)
        self._timeout = timeout
        self._outbox = Outbox(post=self._post_report)
        #: (experiment, why) that was told last, and when
        self._told: tuple[tuple[str, str], float] | None = None

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
        """Which arm to show. Never raises: without an answer it is nothing, and ``why`` says so.

        Args:
            experiment: key.
            unit_id: whose decision this is.
            context: the fields that the experiment declares.
            request_key: makes a retry return the same decision.
            eligible_arms: only these arms, and nothing, may be shown.
            excluded_arms: these arms may not be shown.
            arms: those that this request brings, each with ``key``, ``features`` and ``offer``, to
                an experiment with ``arms_from = "request"``.
            session_id: names one purchase over all its pages.
            page_id: names one page view.
            baseline_arms: what the shop's own system would have shown.
            defer_activation: count the decision only once it is activated.
        """
        try:
            body: dict[str, Any] = {
                "unit_id": unit_id,
                "context": dict(context or {}),
                "request_key": request_key,
                "eligible_arms": None if eligible_arms is None else list(eligible_arms),
                "excluded_arms": list(excluded_arms),
                "defer_activation": defer_activation,
            }
            further = {
                "session_id": session_id,
                "page_id": page_id,
                "baseline_arms": list(baseline_arms),
            }
            body.update({name: value for name, value in further.items() if value})
            if arms is not None:
                body["arms"] = [dict(arm) for arm in arms]
            path = f"/v1/experiments/{quote(experiment, safe='')}/decisions"
            reply = self._connections.post(path, body, self._timeout)
            decision = decision_from(reply.body, experiment)
            if reply.status in {200, 201} and decision is not None:
                return decision
            why = reply.problem
        except UnavailableError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - whatever happens, the shop's page goes on
            why = f"not asked: {type(error).__name__}"
        self._tell(experiment, why)
        return unavailable(experiment, why)

    def report(
        self,
        decision: Decision | str,
        type: str,  # noqa: A002 - the word that the service uses
        *,
        amount: float | Decimal | None = None,
        currency: str | None = None,
        event_id: str | None = None,
        occurred_at: datetime | str | None = None,
    ) -> str | None:
        """Report an outcome, in the background. Never raises and never waits.

        Args:
            decision: the decision, or its id.
            type: what happened: accept, purchase, and others.
            amount: money, in ``currency``.
            currency: ISO 4217 code of the amount.
            event_id: makes repeats harmless; random by default.
            occurred_at: a datetime or ISO 8601 text with a time zone; now by default. Without a
                time zone the report is not taken.

        Returns:
            The event's id; None where it was not taken: there is no decision it could belong to,
            ``occurred_at`` has no time zone, it cannot be written as JSON, or too many reports
            wait. All but the first are counted in :attr:`dropped` and logged.
        """
        decision_id = decision.decision_id if isinstance(decision, Decision) else decision
        if decision_id is None:
            return None
        named = {"decision_id": decision_id}
        return self._report(
            named,
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
        type: str,  # noqa: A002 - the word that the service uses
        *,
        unit_id: str | None = None,
        amount: float | Decimal | None = None,
        currency: str | None = None,
        event_id: str | None = None,
        occurred_at: datetime | str | None = None,
    ) -> str | None:
        """Report an outcome by the request key of its decision. Never raises, never waits.

        The outcome is assigned to the decision that a server requested with this key; if there is
        none, to the only decision that a page showed. The service looks it up later and lists
        outcomes without a match on *Data quality*.

        Args:
            experiment: key of the experiment that decided.
            request_key: the key that the decision was requested with, such as the order number.
            type: as in :meth:`report`.
            unit_id: the shopper, if pages of several shoppers used the same key.
            amount: money.
            currency: of the amount.
            event_id: makes repeats harmless.
            occurred_at: when it happened.

        Returns:
            The event's id; None where it was not taken, as :meth:`report`.
        """
        named = {"experiment": experiment, "request_key": request_key, "unit_id": unit_id}
        return self._report(
            named,
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
        """Put an outcome on its way."""
        try:
            event_id = str(event_id or uuid4())
            event = {
                "event_id": event_id,
                **{name: it for name, it in named.items() if it is not None},
                "type": kind,
                "amount": amount,
                "currency": currency,
                "occurred_at": moment_text(occurred_at or datetime.now(UTC)),
            }
            taken = self._outbox.put(event_report(event))
        except InputError as error:
            self._not_taken(str(error))
            return None
        except Exception as error:  # noqa: BLE001 - whatever was given, the shop's page goes on
            self._not_taken(f"it cannot be written as JSON ({error.__class__.__name__})")
            return None
        return event_id if taken else None

    def activate(self, decision: Decision | str) -> bool:
        """Say that a deferred decision was really shown, in the background. Never raises.

        Returns:
            Whether it was taken; False where there is no decision or too many reports wait.
        """
        decision_id = decision.decision_id if isinstance(decision, Decision) else decision
        if decision_id is None:
            return False
        if not isinstance(decision_id, str):
            self._outbox.dropped += 1
            _log.warning("a decision was not activated: its id must be text")
            return False
        path = f"/v1/decisions/{quote(decision_id, safe='')}/activate"
        return self._outbox.put(Report(path=path, body=None))

    @property
    def dropped(self) -> int:
        """Reports that could not be written, found no room or were refused by the service."""
        return self._outbox.dropped

    def flush(self, timeout: float = 5.0) -> int:
        """Wait until all reports have arrived; says how many still wait."""
        return self._outbox.flush(timeout)

    def close(self, timeout: float = 5.0) -> int:
        """Flush and stop. Says how many reports could not be sent and are lost."""
        left = self._outbox.close(timeout)
        if left:
            _log.warning("%d reports were not sent", left)
        self._connections.close()
        return left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, experiment: str, why: str) -> None:
        """Log it; a service that is away must not fill the shop's log."""
        now, told = time.monotonic(), self._told
        if told is None or told[0] != (experiment, why) or now - told[1] >= _TELL_SECONDS:
            self._told = ((experiment, why), now)
            _log.warning("no decision for %s: %s", experiment, why)

    def _not_taken(self, why: str) -> None:
        self._outbox.dropped += 1
        _log.warning("an outcome was not reported: %s", why)

    def _post_report(self, path: str, body: Any) -> Reply:
        return self._connections.post(path, body, _REPORT_SECONDS)
