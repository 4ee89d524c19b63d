"""What shops ask and are told, as JSON in and JSON out, whichever way a request came in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from bandit_platform.domain.access import Key
from bandit_platform.domain.caller import Caller
from bandit_platform.domain.decision import Decision
from bandit_platform.domain.personal import personal_shape
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.request_arms import MOST_REPORTED, OTHER, ArmsReader, SentArms
from bandit_platform.errors import InputError
from bandit_platform.services.serving.decide import Decider
from bandit_platform.services.serving.query import Answer, Query
from bandit_platform.services.serving.record_events import EventRecorder, Receipt
from bandit_platform.web.bodies import DecisionRequest, EventItem, EventsRequest, WellFormedEvents
from bandit_platform.web.lenient_bodies import read_decision_request, read_event
from bandit_platform.web.meter import Choice, Meter

DECISION_BYTES = 32 * 1024
#: of a decision of an experiment whose requests may bring arms
ARMS_BYTES = 256 * 1024
DECISIONS_BEFORE, DECISIONS_AFTER = "/v1/experiments/", "/decisions"
EVENTS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as the shop is told, and what is counted of it."""

    body: bytes
    choice: Choice
    #: False when a repeated request key got the stored decision
    new: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A receipt for each reported outcome, as JSON."""

    body: bytes
    #: whether every outcome was rejected
    rejected: bool
    #: how many outcomes were reported
    count: int


class Shop:
    """Decisions and events over the two services of a serving process."""

    def __init__(self, decider: Decider, recorder: EventRecorder, meter: Meter) -> None:
        self._decider = decider
        self._recorder = recorder
        self._meter = meter
        self._arms = ArmsReader()
        #: experiment → arms of requests that metrics name
        self._labels: dict[str, set[str]] = {}

    def decision_bytes(self, experiment: str) -> int:
        """Bytes that the body of a request for a decision may have."""
        return ARMS_BYTES if self._decider.takes_arms(experiment) else DECISION_BYTES

    def longest_body(self, path: str) -> int:
        """Bytes of a body that are read for a path, one more than it may have."""
        if path.startswith(DECISIONS_BEFORE) and path.endswith(DECISIONS_AFTER):
            experiment = path[len(DECISIONS_BEFORE) : -len(DECISIONS_AFTER)]
            return max(self.decision_bytes(experiment), EVENTS_BYTES) + 1
        return EVENTS_BYTES + 1

    def decide(
        self, experiment: str, body: bytes, idempotency_key: str | None, caller: Caller
    ) -> Decided:
        """Which arm to show.

        Raises:
            pydantic.ValidationError: the body has not the documented form.
            BanditPlatformError: as :meth:`Decider.decide`.
        """
        brings_arms = self._decider.takes_arms(experiment)
        try:
            if brings_arms:
                asked, arms = self._read_with_arms(body)
            else:
                asked, arms = DecisionRequest.model_validate_json(body), None
        except ValidationError as error:
            asked = read_decision_request(body, error, lambda: self._decider.spec(experiment))
            arms = None
        if arms is None and asked.arms is not None:
            arms = self._arms.read(asked.arms)
        answer = self._decider.decide(experiment, _query(asked, idempotency_key, caller, arms))
        decision = answer.decision
        return Decided(
            to_json(_shown(answer)),
            (decision.experiment, self._label(decision), decision.reason.value),
            answer.new,
        )

    def _read_with_arms(self, body: bytes) -> tuple[DecisionRequest, SentArms | None]:
        """A request and its arms, of which only those are checked that are new.

        Raises:
            pydantic.ValidationError: the body has not the documented form.
            InputError: the arms are not sound.
        """
        taken = self._arms.take(body)
        if taken is not None:
            rest, arms = taken
            with suppress(ValidationError):
                asked = DecisionRequest.model_validate_json(rest)
                if asked.arms == []:
                    return asked, arms
        try:
            tables = from_json(body, cache_strings="keys")
            sent = tables.pop("arms", None)
            asked = DecisionRequest.model_validate(tables)
            return asked, None if sent is None else self._arms.read(sent)
        except (ValueError, AttributeError, TypeError):  # the model says what is wrong, and where
            return DecisionRequest.model_validate_json(body), None

    def _label(self, decision: Decision) -> str:
        """What metrics call the arm: those that come with requests have few labels of their own."""
        if decision.draws[0].arms_hash is None:
            return decision.arm
        known = self._labels.setdefault(decision.experiment, {NOTHING})
        if decision.arm not in known and len(known) > MOST_REPORTED:
            return OTHER
        known.add(decision.arm)
        return decision.arm

    def record_conflict(self, experiment: str, caller: Caller) -> None:
        """Count a request whose request key was used before with another body."""
        self._meter.conflicted(experiment)
        self._decider.record_conflict(experiment, caller)

    def activate(self, decision_id: str, key: Key | None) -> None:
        """A deferred decision was really shown; errors as :meth:`EventRecorder.activate`."""
        self._recorder.activate(decision_id, None if key is None else key.experiments)

    def record(self, body: bytes, key: Key | None) -> Judged:
        """What happened after decisions; a receipt for each item, in their order.

        Malformed items are rejected, the others recorded.

        Raises:
            pydantic.ValidationError: the body has not the documented form.
            JournalError: nothing could be recorded.
        """
        reports = _reports(body, self._decider.is_lenient)
        recorded = iter(
            self._recorder.record(
                [each for each in reports if isinstance(each, EventItem)],
                trusted=key is not None and not key.publishable,
                experiments=None if key is None else key.experiments,
            )
        )
        receipts = [next(recorded) if isinstance(r, EventItem) else r for r in reports]
        self._meter.reported(receipt.status for receipt in receipts)
        return Judged(
            to_json({"events": [_told(receipt) for receipt in receipts]}),
            all(receipt.status == "rejected" for receipt in receipts),
            len(receipts),
        )


def _query(
    body: DecisionRequest, header: str | None, caller: Caller, arms: SentArms | None
) -> Query:
    if header is not None and not header.isascii():
        header = _unicode(header)
    if header is not None and (not 1 <= len(header) <= 256):
        raise InputError("the Idempotency-Key is not 1 to 256 characters long")
    if header is not None and body.request_key not in {None, header}:
        raise InputError("the Idempotency-Key differs from request_key")
    return Query(
        unit_id=body.unit_id,
        context=body.context or {},
        request_key=body.request_key or header,
        eligible_arms=None if body.eligible_arms is None else tuple(body.eligible_arms),
        excluded_arms=tuple(body.excluded_arms or ()),
        defer_activation=bool(body.defer_activation),
        arms=arms,
        session_id=body.session_id,
        page_id=body.page_id,
        baseline_arms=_baseline_arms(body),
        caller=caller,
    )


def _baseline_arms(body: DecisionRequest) -> tuple[str, ...]:
    if body.baseline_arm is None:
        return tuple(body.baseline_arms or ())
    if body.baseline_arms is not None:
        raise InputError("send baseline_arm or baseline_arms, not both")
    return (body.baseline_arm,)


def _unicode(header: str) -> str:
    """A header's UTF-8, which WSGI hands over as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:  # another encoding, or decoded by the server already
        return header


def _shown(answer: Answer) -> dict[str, Any]:
    decision = answer.decision
    return {
        "decision_id": decision.decision_id,
        "experiment": decision.experiment,
        "arm": decision.arm,
        "offer": answer.offer,
        "propensity": decision.propensity,
        "pmf": dict(zip(decision.eligible, decision.pmf, strict=True)),
        "model_version": decision.model_version,
        "model_versions": decision.model_versions,
        "reason": decision.reason,
        "expires_at": decision.expires_at.isoformat(),
    }


def _told(receipt: Receipt) -> dict[str, Any]:
    if receipt.why:
        return {"event_id": receipt.event_id, "status": receipt.status, "why": receipt.why}
    return {"event_id": receipt.event_id, "status": receipt.status}


def _reports(data: bytes, is_lenient: Callable[[Any, Any], bool]) -> Sequence[EventItem | Receipt]:
    """Every item as it is or, where it is malformed, as the receipt that says so."""
    try:
        return WellFormedEvents.model_validate_json(data).events
    except ValidationError:
        return [
            _report(item, is_lenient) for item in EventsRequest.model_validate_json(data).events
        ]


def _report(item: dict[str, Any], is_lenient: Callable[[Any, Any], bool]) -> EventItem | Receipt:
    try:
        return read_event(item, is_lenient)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        first = found[0]
        field = first["loc"][0] if first["loc"] else ""
        known = field if field in EventItem.model_fields else "an unknown field"
        fields = {each["loc"][0] for each in found if each["loc"]}
        return Receipt(
            event_id=None if "event_id" in fields else _shown_id(item["event_id"]),
            status="rejected",
            why=f"{known}: {first['msg']}" if known == field else f"has {known}",
        )


def _shown_id(event_id: str) -> str | None:
    """The id of a rejected item, unless it holds what must not be repeated."""
    return None if personal_shape(event_id) else event_id
