"""Taking in reported outcomes: each is judged on its own and recorded before it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Protocol

from bandit_platform.domain.event import (
    CLOCK_TOLERANCE,
    EVENT_TYPE_PATTERN,
    Event,
    EventContent,
)
from bandit_platform.domain.identity import (
    belongs_to,
    is_genuine,
    issued_at,
    pseudonym,
    request_hash,
)
from bandit_platform.domain.personal import is_access_key, is_email
from bandit_platform.domain.request_event import RequestEvent
from bandit_platform.errors import NotFoundError
from bandit_platform.journal.records import (
    Activation,
    activation_line,
    event_line,
    request_event_line,
)
from bandit_platform.journal.writer import JournalWriter

_REMEMBERED = 25_000
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
#: Sums and products of amounts up to here stay finite, and no purchase is above it.
_MOST_MONEY = 1e12
_FORGED = "decision_id was never issued here"
_CONFLICT = "event_id was already used for this decision with different content"
_UNNAMED = "send decision_id, or experiment and request_key"
_TWICE = "experiment, request_key and unit_id cannot be combined with decision_id"
_NO_UNIT = "with a publishable key, request_key needs unit_id"
_NO_EXPERIMENT = "the experiment does not exist, or the key has no access to it"
_PERSONAL = "event_id looks like an e-mail address or an access key"


class EventReport(Protocol):
    """One outcome as reported; a request's own items are such, so that none is copied."""

    @property
    def event_id(self) -> str:
        """Chosen by the reporter; a repeated one counts once."""

    @property
    def decision_id(self) -> str | None:
        """What it was an outcome of; without it, experiment and request key say so."""

    @property
    def experiment(self) -> str | None:
        """Of the decision, where its id is not given."""

    @property
    def request_key(self) -> str | None:
        """Of the decision, where its id is not given."""

    @property
    def unit_id(self) -> str | None:
        """Of the decision, beside its request key."""

    @property
    def type(self) -> str:
        """What happened: impression, accept, purchase, and others."""

    @property
    def amount(self) -> float | None:
        """Money, in currency."""

    @property
    def currency(self) -> str | None:
        """ISO 4217 code of the amount."""

    @property
    def occurred_at(self) -> datetime | None:
        """By the reporter's clock; None where it did not say."""


class Receipt(NamedTuple):
    """What became of one reported outcome."""

    event_id: str | None
    #: accepted, duplicate or rejected
    status: str
    why: str | None = None


#: An accepted report, as far as later ones under the same id are compared with it: whether it was
#: trusted, and the fields of :class:`EventContent`. A plain tuple, because every report makes one.
_Accepted = tuple[bool, str, float | None, str | None, datetime | None]


class EventRecorder:
    """Checks outcomes without the database and appends them to the journal.

    It remembers recently accepted ids only, and only its own process's. Ingest compares every
    report with what is stored, by the same rules.
    """

    def __init__(
        self,
        journal: JournalWriter,
        secret: bytes,
        clock: Callable[[], datetime],
        knows: Callable[[str], bool],
    ) -> None:
        """Take what is needed.

        Args:
            journal: of this process.
            secret: of the deployment.
            clock: the present moment.
            knows: whether there is an experiment of a key, as far as this process can say.
        """
        self._journal = journal
        self._secret = secret
        self._clock = clock
        self._knows = knows
        #: what was accepted lately, by decision and event, and what was before that
        self._seen: dict[str, _Accepted] = {}
        self._seen_before = self._seen

    def record(
        self,
        reports: Sequence[EventReport],
        *,
        trusted: bool,
        experiments: Collection[str] | None = None,
    ) -> list[Receipt]:
        """Record outcomes; one receipt each, in their order.

        Args:
            reports: what was reported.
            trusted: whether with a secret key.
            experiments: those of which the reporter may speak; None for all.

        Raises:
            JournalError: they could not be recorded, so none is acknowledged.
        """
        now = self._clock()
        receipts: list[Receipt] = []
        lines: list[bytes] = []
        accepted: dict[str, _Accepted] = {}
        seen, before = self._seen, self._seen_before
        # A page reports what happened to one decision: its id is looked at once.
        earliest = {
            each: _earliest(each, now) if self._is_known(each, experiments) else None
            for each in {one.decision_id for one in reports}
            if each is not None
        }
        for report in reports:
            decision_id = report.decision_id
            event: RequestEvent | None = None
            if decision_id is None:
                why = self._unnamed(report, trusted, experiments) or _refusal(
                    report, now, _EARLIEST
                )
            else:
                why = _refusal(report, now, earliest[decision_id])
                if why is None and _names_twice(report):
                    why = _TWICE
            if why is not None:
                shown = None if why == _PERSONAL else report.event_id
                receipts.append(Receipt(shown, "rejected", why))
                continue
            if decision_id is None:
                event = self._request_event(report, now, trusted)
                key = f"{event.request} {event.unit} {event.event_id}"
            else:
                key = f"{decision_id} {report.event_id}"
            earlier = accepted.get(key) or seen.get(key) or before.get(key)
            this = (trusted, report.type, report.amount, report.currency, report.occurred_at)
            if earlier is None or (trusted and not earlier[0]):
                accepted[key] = this
                lines.append(
                    event_line(_event(report, now, trusted))
                    if event is None
                    else request_event_line(event)
                )
                receipts.append(Receipt(report.event_id, "accepted"))
            elif EventContent(*earlier[1:]).agrees(EventContent(*this[1:])):
                receipts.append(Receipt(report.event_id, "duplicate"))
            else:
                receipts.append(Receipt(report.event_id, "rejected", _CONFLICT))
        if lines:
            self._journal.append(b"".join(lines))
            self._remember(accepted)
        return receipts

    def activate(self, decision_id: str, experiments: Collection[str] | None = None) -> None:
        """Record that a deferred decision was really shown.

        Raises:
            NotFoundError: the id was never issued.
            JournalError: it could not be recorded.
        """
        if not self._is_known(decision_id, experiments):
            raise NotFoundError("there is no such decision")
        activation = Activation(decision_id=decision_id, activated_at=self._clock())
        self._journal.append(activation_line(activation))

    def _unnamed(
        self, report: EventReport, trusted: bool, experiments: Collection[str] | None
    ) -> str | None:
        """Why the decision cannot be meant that a report names without its id."""
        experiment = report.experiment
        if experiment is None or report.request_key is None:
            return _UNNAMED
        if not trusted and report.unit_id is None:
            return _NO_UNIT
        opened = experiments is None or experiment in experiments
        return None if opened and self._knows(experiment) else _NO_EXPERIMENT

    def _request_event(self, report: EventReport, now: datetime, trusted: bool) -> RequestEvent:
        secret, experiment, unit_id = self._secret, report.experiment or "", report.unit_id
        return RequestEvent(
            experiment,
            request_hash(secret, experiment, report.request_key or ""),
            None if unit_id is None else pseudonym(secret, unit_id),
            *_event(report, now, trusted)[1:],
        )

    def _is_known(self, decision_id: str, experiments: Collection[str] | None) -> bool:
        """Whether the id was issued here, for an experiment of which the reporter may speak."""
        return is_genuine(self._secret, decision_id) and (
            experiments is None or belongs_to(self._secret, decision_id, experiments)
        )

    def _remember(self, accepted: Mapping[str, _Accepted]) -> None:
        """Remember at least the last _REMEMBERED, and at most twice as many and a batch."""
        if len(self._seen) >= _REMEMBERED:
            self._seen, self._seen_before = {}, self._seen
        self._seen.update(accepted)


def _refusal(report: EventReport, now: datetime, earliest: datetime | None) -> str | None:
    """Why a report cannot be taken in; what passes here can always be stored and added up.

    Args:
        report: what was reported.
        now: the platform's time.
        earliest: the first moment that an outcome of its decision can have; None where the
            decision was never issued.
    """
    event_id, amount, occurred_at = report.event_id, report.amount, report.occurred_at
    # Ids are free text and often long numbers, so only what cannot be an id by chance.
    if is_email(event_id) or is_access_key(event_id):
        return _PERSONAL
    if not _is_word(report.type):
        return "type must be a lower-case word of at most 64 characters"
    if "\0" in event_id:
        return "event_id must not hold a NUL character"
    if amount is not None and not abs(amount) <= _MOST_MONEY:
        return "amount must be a finite number of at most 1e12 either way"
    if earliest is None:
        return _FORGED
    return None if occurred_at is None else _impossible_moment(occurred_at, now, earliest)


@lru_cache(maxsize=256)
def _is_word(type_: str) -> bool:
    return EVENT_TYPE_PATTERN.fullmatch(type_) is not None


def _impossible_moment(occurred_at: datetime, now: datetime, earliest: datetime) -> str | None:
    if occurred_at > now + CLOCK_TOLERANCE:
        return "occurred_at lies in the future"
    if occurred_at < _EARLIEST:
        return "occurred_at is before 1970"
    return "occurred_at is before the decision" if occurred_at < earliest else None


def _earliest(decision_id: str, now: datetime) -> datetime:
    """The first moment that an outcome can have, as far as a genuine id tells; ingest sees all.

    An id from a node whose clock is ahead says nothing.
    """
    decided_at = issued_at(decision_id)
    if decided_at is None or decided_at > now + CLOCK_TOLERANCE:
        return _EARLIEST
    return decided_at - CLOCK_TOLERANCE


def _names_twice(report: EventReport) -> bool:
    """Whether a report with a decision's id names it in another way as well."""
    return not (report.request_key is None and report.unit_id is None and report.experiment is None)


def _event(report: EventReport, now: datetime, trusted: bool) -> Event:
    occurred = report.occurred_at
    return Event(
        report.decision_id or "",
        report.event_id,
        report.type,
        report.amount,
        report.currency,
        now if occurred is None or occurred > now else occurred,
        now,
        trusted,
    )
