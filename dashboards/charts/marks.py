"""Labels of the revision lines, gathered where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bandit_platform.services.reporting.report_records import RevisionMark

#: Labels closer than this share of the axis become one.
_TOO_CLOSE = 0.12


@dataclass(frozen=True, kw_only=True)
class RevisionLabel:
    """A text above one or several revision lines."""

    at: datetime
    text: str
    #: which side of the text stands at the line: left, center or right
    anchor: str


def revision_labels(
    revisions: Sequence[RevisionMark], first: datetime, last: datetime
) -> tuple[RevisionLabel, ...]:
    """A label for each group of revisions that lie close together between two moments."""
    span = (last - first).total_seconds()
    groups: list[list[RevisionMark]] = []
    for mark in revisions:
        place = _place(mark.at, first, span)
        if groups and place - _place(groups[-1][0].at, first, span) < _TOO_CLOSE:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return tuple(_label(group, first, last, span) for group in groups)


def _label(
    group: Sequence[RevisionMark], first: datetime, last: datetime, span: float
) -> RevisionLabel:
    start, end = group[0].number, group[-1].number
    text = f"rev {start}" if start == end else f"rev {start}\N{EN DASH}{end}"
    place = _place(group[0].at, first, span)
    anchor = "left" if place < 0.05 else "right" if place > 0.9 else "center"
    return RevisionLabel(at=min(max(group[0].at, first), last), text=text, anchor=anchor)


def _place(at: datetime, first: datetime, span: float) -> float:
    if span <= 0:
        return 0.0
    return min(max((at - first).total_seconds() / span, 0.0), 1.0)
