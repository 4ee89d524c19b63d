"""An outcome reported for a decision: an impression, an accept, a purchase, a return."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

EVENT_TYPE_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class Event(NamedTuple):
    """One reported outcome. ``(decision_id, event_id)`` identifies it, so repeats are harmless."""

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
