"""The lines of the journal as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event
from bandit_platform.domain.request_arms import ArmList
from bandit_platform.domain.request_event import RequestEvent
from bandit_platform.journal.record_data import data_writer


@dataclass(frozen=True, kw_only=True, slots=True)
class Activation:
    """The shop's word that a deferred decision was really shown."""

    decision_id: str
    activated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestConflict:
    """A request that was refused because its request key was used before with another body."""

    experiment: str
    #: whether the request came with a secret key
    trusted: bool
    refused_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestArms:
    """Arms that came with requests; decisions after it in the segment name its hash."""

    arms: ArmList


#: records of something that happened at a moment
Dated = Decision | Event | Activation | RequestConflict | RequestEvent
Record = RequestArms | Dated


#: what a decision's line begins with; the rest are the fields of :class:`Decision`
_DECISION_PREFIX = b'{"k":"decision",'
_DECISIONS = TypeAdapter(Decision)
_decision_data = data_writer(Decision, k="decision")


def decision_line(decision: Decision) -> bytes:
    """A decision as one line, newline included, without the fields that have their default.

    Raises:
        ValueError: a number of it is none.
    """
    return _line(_decision_data(decision))


def arms_line(arms: ArmList) -> bytes:
    """A list of arms as one line, newline included."""
    return b'{"k":"arms","hash":"%b","arms":%b}\n' % (arms.hash.encode(), arms.to_json())


def event_line(e: Event) -> bytes:
    """An event as one line, newline included."""
    if e.amount is not None and not isfinite(e.amount):
        raise ValueError("the amount is not a finite number")
    received = _text(e.received_at)
    data = {
        "k": "event",
        "decision": e.decision_id,
        "id": e.event_id,
        "type": e.type,
        "amount": e.amount,
        "currency": e.currency,
        "occurred": received if e.occurred_at is e.received_at else _text(e.occurred_at),
        "received": received,
        "trusted": e.trusted,
    }
    return to_json(data) + b"\n"


def request_event_line(e: RequestEvent) -> bytes:
    """An event that names a request key as one line, newline included."""
    return _line(
        {
            "k": "request_event",
            "experiment": e.experiment,
            "request": e.request,
            "unit": e.unit,
            "id": e.event_id,
            "type": e.type,
            "amount": e.amount,
            "currency": e.currency,
            "occurred": _text(e.occurred_at),
            "received": _text(e.received_at),
            "trusted": e.trusted,
        }
    )


def activation_line(a: Activation) -> bytes:
    """An activation as one line, newline included."""
    return _line({"k": "activation", "id": a.decision_id, "at": _text(a.activated_at)})


def conflict_line(c: RequestConflict) -> bytes:
    """A refused request as one line, newline included."""
    data = {"experiment": c.experiment, "trusted": c.trusted, "at": _text(c.refused_at)}
    return _line({"k": "conflict", **data})


def parse_line(line: bytes) -> Record:
    """The record that a line holds.

    Raises:
        ValueError: the line is torn or not a record.
    """
    if line.startswith(_DECISION_PREFIX):
        return _DECISIONS.validate_json(b"{" + line[len(_DECISION_PREFIX) :], strict=True)
    data = from_json(line)
    try:
        match data["k"]:
            case "arms":
                return _request_arms(data)
            case "event":
                return _event(data)
            case "request_event":
                return _request_event(data)
            case "activation":
                return Activation(decision_id=data["id"], activated_at=_moment(data["at"]))
            case "conflict":
                return RequestConflict(
                    experiment=data["experiment"],
                    trusted=data["trusted"],
                    refused_at=_moment(data["at"]),
                )
    except (KeyError, TypeError) as error:
        raise ValueError(f"incomplete record: {error}") from error
    raise ValueError("unknown kind of record")


def _line(data: Mapping[str, Any]) -> bytes:
    line = to_json(data)
    _demand_numbers(line)
    return line + b"\n"


def _demand_numbers(line: bytes) -> None:
    """Refuse a line in which a number is infinite or none."""
    if not (b"N" in line or b"I" in line):  # which takes a tenth of the next search
        return
    if b"NaN" in line or b"Infinity" in line:  # as a number, or in a text
        try:
            from_json(line, allow_inf_nan=False)
        except ValueError:
            raise ValueError("a number of the record is infinite or not a number") from None


@lru_cache(maxsize=16)
def _text(moment: datetime) -> str:
    """A moment as text; the events of a batch were all received at the same one."""
    return moment.isoformat()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _request_arms(data: Mapping[str, Any]) -> RequestArms:
    arms = ArmList.from_data(data["arms"])
    if arms.hash != data["hash"]:
        raise ValueError("a list of arms does not have its hash")
    return RequestArms(arms=arms)


def _event(data: Mapping[str, Any]) -> Event:
    return Event(
        decision_id=data["decision"],
        event_id=data["id"],
        type=data["type"],
        amount=data["amount"],
        currency=data["currency"],
        occurred_at=_moment(data["occurred"]),
        received_at=_moment(data["received"]),
        trusted=data["trusted"],
    )


def _request_event(data: Mapping[str, Any]) -> RequestEvent:
    return RequestEvent(
        experiment=data["experiment"],
        request=data["request"],
        unit=data["unit"],
        event_id=data["id"],
        type=data["type"],
        amount=data["amount"],
        currency=data["currency"],
        occurred_at=_moment(data["occurred"]),
        received_at=_moment(data["received"]),
        trusted=data["trusted"],
    )
