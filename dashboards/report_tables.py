"""The tables of an experiment's live report, with the numbers of ``report --format json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.tables import Table, table_of


def _policies(report: Mapping[str, Any]) -> Table:
    return table_of(report["policies"])


def _arms(report: Mapping[str, Any]) -> Table:
    return table_of(report["arms"])


def _timeline(report: Mapping[str, Any]) -> Table:
    """A row a moment and policy."""
    return table_of(
        {"at": point["at"], "interactions": point["n"], "policy": name, **estimates}
        for point in report["timeline"]
        for name, estimates in point["policies"].items()
    )


def _shares(report: Mapping[str, Any]) -> Table:
    """A row a moment and arm."""
    return table_of(
        {"at": point["at"], "interactions": point["n"], "arm": arm, "drawn": drawn}
        for point in report["timeline"]
        for arm, drawn in point["arms"].items()
    )


def _pairs(report: Mapping[str, Any]) -> Table:
    """A row a policy and baseline."""
    return table_of(report["pairwise"])


def _segments(report: Mapping[str, Any]) -> Table:
    """A row a field, segment and policy."""
    return table_of(
        {"field": each["field"], **row} for each in report["segments"] for row in each["rows"]
    )


def _metrics(report: Mapping[str, Any]) -> Table:
    """A row an outcome."""
    return table_of((report["happened"] or {}).get("metrics", ()))


def _counts(report: Mapping[str, Any]) -> Table:
    return table_of([report["counts"]])


#: name of the file, without its ending → the table in it
TABLES: Mapping[str, Callable[[Mapping[str, Any]], Table]] = MappingProxyType(
    {
        "report": _policies,
        "arms": _arms,
        "timeline": _timeline,
        "arm-shares": _shares,
        "counts": _counts,
        "metrics": _metrics,
        "pairs": _pairs,
        "all-segments": _segments,
    }
)

#: those that only a whole report holds
WHOLE = frozenset({"pairs", "all-segments"})


def report_table(report: ExperimentReport, name: str) -> Table:
    """One table of a report.

    Raises:
        KeyError: there is no such table.
    """
    return TABLES[name](report.to_dict())
