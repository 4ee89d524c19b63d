"""What offers brought and cost, by advertiser and by category, as printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bandit_platform.services.reporting.report_records import ArmRow, ExperimentReport, MoneyRow


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
    #: a currency, or reward units
    unit: str
    lines: tuple[MoneyLine, ...]


def money_tables(report: ExperimentReport) -> tuple[MoneyTable, ...]:
    """The groupings of a report that have rows."""
    unit = report.currency or "reward units"
    tables = [
        MoneyTable(by=by, unit=unit, lines=tuple(map(_line, rows)))
        for by in ("advertiser", "category")
        if (rows := [row for row in report.money if row.by == by])
    ]
    return tuple(tables)


def worth_words(row: ArmRow) -> str:
    """What an arm's own outcomes are worth and cost; empty where it says neither."""
    parts = [_each(row.value, "")] if row.value else []
    if row.cost:
        parts.append(_each(row.cost, "costs "))
    return "; ".join(parts)


def _each(table: Mapping[str, Any], prefix: str) -> str:
    return ", ".join(f"{prefix}{_weight(weight)} per {name}" for name, weight in table.items())


def _weight(weight: Any) -> str:
    if not isinstance(weight, Mapping):
        return _signed(f"{weight:,g}")
    most = f" up to {weight['max']:,g}" if "max" in weight else ""
    return _signed(f"{100 * weight['amount']:,g} % of the amount{most}")


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
