"""Numbers and moments in words, as the pages print them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from bandit_platform.domain.duration import format_duration
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.services.reporting.finding import validity
from bandit_platform.services.reporting.report_records import EstimateRow
from bandit_platform.services.reporting.rounding import bounds_text, interval_decimals, rounded

COLLECTING = "collecting data"
#: Below so many, a share or a mean without an interval is withheld: single shoppers would move it.
LEAST = 30


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An estimate as printed, with the exact numbers beside it for machines."""

    collecting: bool
    #: point estimate in words; "collecting data" while there is none to show
    value: str
    #: interval in words; empty while collecting
    bounds: str
    #: when the interval may be trusted
    validity: str
    n: str
    exact_value: float | None
    exact_lower: float
    exact_upper: float


def shown(row: EstimateRow, *, sign: bool = False) -> Shown:
    """The estimate rounded by its interval: two significant digits of the width.

    Args:
        row: the estimate.
        sign: whether it is a difference, which always carries its sign.
    """
    collecting = row.collecting or row.value is None
    if collecting or row.value is None:
        value, bounds = COLLECTING, ""
    else:
        value = rounded(row.value, interval_decimals(row.lower, row.upper), sign=sign)
        bounds = bounds_text(row.lower, row.upper, sign=sign)
    return Shown(
        collecting=collecting,
        value=value,
        bounds=bounds,
        validity=validity(row.interval),
        n=f"{row.n:,}",
        exact_value=None if collecting else row.value,
        exact_lower=row.lower,
        exact_upper=row.upper,
    )


def moment(at: datetime | None, zone: str) -> str:
    """A moment in the experiment's time zone, to the minute."""
    if at is None:
        return "not yet"
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M %Z}"


def short_moment(at: datetime, zone: str, *, seconds: bool = False) -> str:
    """A moment without the year, for tables."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b, %H:%M:%S}" if seconds else f"{local.day} {local:%b, %H:%M}"


def why_out(why: Exclusion, zone: str) -> str:  # noqa: PLR0911 - a table of codes
    """Why an arm could not be shown, in words; moments in the time zone."""
    match why.code:
        case ExclusionCode.NOT_REQUESTED:
            return "not among the request's eligible arms"
        case ExclusionCode.EXCLUDED_BY_REQUEST:
            return "excluded by the request"
        case ExclusionCode.NOT_STARTED:
            return f"it starts on {moment(why.moment, zone)}"
        case ExclusionCode.ENDED:
            return f"it ended on {moment(why.moment, zone)}"
        case ExclusionCode.IN_CART:
            return f"{why.field} already holds its SKU"
        case ExclusionCode.CONDITION if why.operator is None:
            return f"{why.field} is missing from the context"
        case ExclusionCode.CONDITION:
            return f"{why.field} {_MUST[why.operator]} {_limit(why.limit)}"


_MUST = MappingProxyType(
    {
        "eq": "must equal",
        "ne": "must not equal",
        "in": "must be one of",
        "not_in": "must not be one of",
        "gt": "must be above",
        "gte": "must be at least",
        "lt": "must be below",
        "lte": "must be at most",
        "contains": "must contain",
        "contains_any": "must contain one of",
        "contains_none": "must contain none of",
    }
)


def _limit(limit: object) -> str:
    if limit is None:
        return "the values listed in the experiment"
    if isinstance(limit, tuple):
        return ", ".join(map(_limit, limit))
    if isinstance(limit, bool):
        return "true" if limit else "false"
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def duration(span: timedelta) -> str:
    """A length of time in its largest fitting unit: ``3 minutes``, ``4 days``."""
    seconds = max(0.0, span.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = int(seconds // length)
        if count >= 2 or (count == 1 and unit != "second"):
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "a second"


def exact_duration(span: timedelta) -> str:
    """A declared length of time, exactly: ``7 days``, ``90 seconds``, ``500ms``."""
    seconds = span.total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = seconds / length
        if count >= 1 and count.is_integer():
            return f"{count:.0f} {unit}" if count == 1 else f"{count:.0f} {unit}s"
    return format_duration(span)


def percent(share: float) -> str:
    """A measured share to a tenth of a percent: ``27.5 %``, ``0.0 %``, ``under 0.1 %``."""
    if 0 < share < 0.001:
        return "under 0.1\N{NO-BREAK SPACE}%"
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def declared_percent(share: float) -> str:
    """A share that somebody set, with no more digits than it was given: ``5 %``."""
    return f"{100 * share:g}\N{NO-BREAK SPACE}%"


def signed_mean(mean: float | None) -> str:
    """A mean without an interval, to three digits; a dash where it is withheld."""
    if mean is None:
        return "\N{EN DASH}"
    decimals = 2 if mean == 0 else min(max(0, 2 - math.floor(math.log10(abs(mean)))), 6)
    return rounded(mean, decimals, sign=True)
