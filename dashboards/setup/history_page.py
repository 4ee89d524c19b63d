"""What became of an experiment: revisions, models, and who did what, ready for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from bandit_platform.domain.audit_entry import AuditEntry
from bandit_platform.domain.revision import changes
from bandit_platform.services.reporting.charted import charted, drafted
from bandit_platform.services.reporting.model_history import ModelComparison, ModelLine
from bandit_platform.storage.experiments import StoredRevision
from dashboards.setup.review import ChangeLine, change_lines, value_text
from dashboards.text import moment, percent, short_moment


@dataclass(frozen=True, kw_only=True)
class RevisionLine:
    """One revision as printed."""

    number: int
    at: str
    exact_at: str
    by: str
    #: whether charts mark it, and why not, in words
    charted: str
    differences: tuple[ChangeLine, ...]


@dataclass(frozen=True, kw_only=True)
class VersionLine:
    """One model version as printed."""

    version: int
    at: str
    exact_at: str
    interactions: str
    arguments: str
    size: str
    used: str


@dataclass(frozen=True, kw_only=True)
class ComparisonPage:
    """Two versions beside each other.

    Attributes:
        first: number of the one version.
        second: number of the other.
        rows: what is compared: (what, first, second, whether they differ).
        arms: arm → both probabilities in words and as widths of bars.
        trouble: why there are no probabilities.
    """

    first: int
    second: int
    rows: tuple[tuple[str, str, str, bool], ...]
    arms: tuple[tuple[str, str, float, str, float], ...]
    trouble: str


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One act as printed."""

    at: str
    exact_at: str
    by: str
    what: str
    differences: tuple[tuple[str, str, str], ...]


def revision_lines(
    stored: Sequence[StoredRevision],
    log: Sequence[AuditEntry],
    zone: str,
    started_at: datetime | None,
) -> tuple[RevisionLine, ...]:
    """Every revision with what it changed, the newest first."""
    who = _authors(log)
    marked = {each.number for each in charted(stored, started_at)}
    drafts = {each.number for each in drafted(stored, started_at)}
    lines = [
        RevisionLine(
            number=each.number,
            at=moment(each.created_at, zone),
            exact_at=each.created_at.isoformat(),
            by=who.get(each.number, ""),
            charted=_CHARTED[each.number in marked, each.number in drafts],
            differences=() if before is None else _between(before, each, each.number in drafts),
        )
        for before, each in pairwise([None, *stored])
        if each is not None
    ]
    return tuple(reversed(lines))


#: whether charts mark a revision, and whether it is from before the start
_CHARTED = MappingProxyType(
    {
        (True, True): "marked in charts: in force at the start",
        (True, False): "marked in charts",
        (False, True): "not marked: from before the start",
        (False, False): "not marked: nobody is shown anything else",
    }
)


def _between(before: StoredRevision, after: StoredRevision, draft: bool) -> tuple[ChangeLine, ...]:
    """What differs; of a draft nobody was shown anything, so no difference had an effect."""
    lines = change_lines(changes(before.spec, after.spec), started=False)
    return tuple(replace(line, effect="free", words="") for line in lines) if draft else lines


def _authors(log: Sequence[AuditEntry]) -> dict[int, str]:
    """Revision → who made it, as far as the log goes back."""
    return {
        int(change.after): entry.by.name
        for entry in log
        for change in entry.difference
        if change.path == "revision" and isinstance(change.after, int)
    }


def version_lines(stored: Sequence[ModelLine], zone: str) -> tuple[VersionLine, ...]:
    """Model versions, the newest first."""
    return tuple(
        VersionLine(
            version=each.version,
            at=short_moment(each.published_at, zone, seconds=True),
            exact_at=each.published_at.isoformat(),
            interactions=f"{each.interactions:,}",
            arguments=each.arguments,
            size=f"{each.size / 1024:,.0f} KiB",
            used="has decided" if each.used else "never decided",
        )
        for each in stored
    )


def comparison_page(found: ModelComparison, zone: str) -> ComparisonPage:
    """Two versions, side by side."""
    first, second = found.first, found.second
    pairs: Mapping[str, tuple[str, str]] = {
        "Published": (moment(first.published_at, zone), moment(second.published_at, zone)),
        "Learned from": (
            f"{first.interactions:,} interactions",
            f"{second.interactions:,} interactions",
        ),
        "Arguments": (first.arguments, second.arguments),
        "Bytes": ("the same", "the same")
        if first.blob_hash == second.blob_hash
        else (first.blob_hash[:12], second.blob_hash[:12]),
    }
    return ComparisonPage(
        first=first.version,
        second=second.version,
        rows=tuple((what, a, b, a != b) for what, (a, b) in pairs.items()),
        arms=tuple(
            (arm, percent(a), round(100 * a, 3), percent(b), round(100 * b, 3))
            for arm, (a, b) in found.pmfs.items()
        ),
        trouble=found.trouble,
    )


def log_lines(log: Sequence[AuditEntry], zone: str) -> tuple[LogLine, ...]:
    """Who did what, the newest first."""
    return tuple(
        LogLine(
            at=moment(entry.at, zone),
            exact_at=entry.at.isoformat(),
            by=f"{entry.by.name} ({entry.by.kind})",
            what=(entry.what.partition(".")[2] or entry.what).replace("_", " "),
            differences=tuple(
                (d.path, value_text(d.before), value_text(d.after)) for d in entry.difference
            ),
        )
        for entry in log
    )
