"""Money that offers earned and cost, by advertiser and by category, as printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bandit_platform.services.reporting.report_records import ArmRow, ExperimentReport, MoneyRow

#: between a number and its unit
_GAP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, kw_only=True)
class MoneyLine:
    """The offers of one advertiser or category as printed."""

    name: str
    arms: str
    interactions: str
    gross: str
    taken_back: str
    costs: str
    net: str
    exact_net: float


@dataclass(frozen=True, kw_only=True)
class MoneyTable:
    """One grouping."""

    #: advertiser or category
    by: str
    #: of the column with their names
    heading: str
    #: a currency, or reward units
    unit: str
    lines: tuple[MoneyLine, ...]


def money_tables(report: ExperimentReport) -> tuple[MoneyTable, ...]:
    """The groupings of a report that have rows."""
    unit = report.currency or "reward units"
    tables = [
        MoneyTable(by=by, heading=by.capitalize(), unit=unit, lines=tuple(map(_line, rows)))
        for by in ("advertiser", "category")
        if (rows := [row for row in report.money if row.by == by])
    ]
    return tuple(tables)


def worth_words(row: ArmRow, currency: str | None = None) -> str:
    """An arm's own values and costs as text; empty if it declares neither."""
    unit = f"{_GAP}{currency}" if currency else ""
    parts = [_each(row.value, "", unit)] if row.value else []
    if row.cost:
        parts.append(_each(row.cost, "costs ", unit))
    return "; ".join(parts)


def _each(table: Mapping[str, Any], prefix: str, unit: str) -> str:
    return ", ".join(
        f"{prefix}{_weight(weight, unit)} per {name}" for name, weight in table.items()
    )


def _weight(weight: Any, unit: str) -> str:
    if not isinstance(weight, Mapping):
        return f"{_plain(weight)}{unit}"
    most = f" (of at most {_plain(weight['max'])}{unit})" if "max" in weight else ""
    return f"{_plain(100 * weight['amount'])}{_GAP}% of the amount{most}"


def _plain(number: float) -> str:
    """A declared number, to twelve digits, without an exponent where it is shorter."""
    return _signed(f"{number:,.12g}")


def _line(row: MoneyRow) -> MoneyLine:
    return MoneyLine(
        name=row.name or f"no {row.by}",
        arms=", ".join(row.arms),
        interactions=f"{row.interactions:,}",
        gross=_money(row.gross),
        taken_back=_money(row.taken_back),
        costs=_money(-row.costs),
        net=_money(row.net),
        exact_net=row.net,
    )


def _money(value: float) -> str:
    return _signed(f"{value + 0.0:,.2f}").replace("\N{MINUS SIGN}0.00", "0.00")


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
