"""An outcome reported for a decision: an impression, an accept, a purchase, a return."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

EVENT_TYPE_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class EventContent(NamedTuple):
    """What a report says happened: reports under one id that say the same are repeats."""

    type: str
    amount: float | None
    currency: str | None
    #: as reported; None where the reporter did not say
    occurred_at: datetime | None

    def agrees(self, other: EventContent) -> bool:
        """Whether both say the same; a report without a time agrees with any time."""
        return self[:3] == other[:3] and (
            None in {self.occurred_at, other.occurred_at} or self.occurred_at == other.occurred_at
        )


#: How far the clocks of reporters and of the platform may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)


class Lateness(StrEnum):
    """Why an event counts in no reward: it came too late, or is dated before its decision."""

    #: it is dated before its decision, by more than clocks may differ
    BEFORE_DECISION = "before_decision"
    #: it occurred after the reward window
    AFTER_WINDOW = "after_window"
    #: it occurred inside the window and was reported after it, when its decision had matured
    REPORTED_LATE = "reported_late"
    #: it was acknowledged inside the window and reached the database after its decision matured,
    #: because the journal of a node came too late
    ARRIVED_LATE = "arrived_late"


class Event(NamedTuple):
    """One reported outcome, identified by ``(decision_id, event_id)``.

    A repeat counts once. What a server reports takes the place of what a page reported under the
    same id, never the other way round, so a page cannot make a server's report a repeat.
    """

    decision_id: str
    event_id: str
    type: str
    #: money reported with the event, in ``currency``
    amount: float | None
    #: ISO 4217 code
    currency: str | None
    #: when it happened, by the reporter's clock; never after ``received_at``
    occurred_at: datetime
    #: when the service received it
    received_at: datetime
    #: sent by a server with a secret key, not by a browser
    trusted: bool

    @property
    def content(self) -> EventContent:
        """What it says happened, as far as its record shows what the reporter said."""
        stated = None if self.occurred_at == self.received_at else self.occurred_at
        return EventContent(self.type, self.amount, self.currency, stated)
