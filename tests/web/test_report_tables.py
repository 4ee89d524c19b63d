"""The numbers of reports as tables to take away."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from bandit_platform.domain.access import Role

KEY = "checkout-offers"
ASKED = {
    "experiment": KEY,
    "policy": ["uniform", "always:insurance"],
    "estimator": ["ips", "snips"],
    "alpha": "0.05",
}
BODY = {"experiment": KEY, "policies": ["uniform", "always:insurance"], "estimators": ["ips"]}


@pytest.mark.parametrize(
    ("name", "list_name"), [("report", "policies"), ("arms", "arms"), ("counts", None)]
)
def test_the_reports_tables_are_the_reports_numbers(
    full: Any, console_as: Any, name: str, list_name: str | None
) -> None:
    client = console_as(Role.VIEWER)
    answer = client.get(f"/experiments/{KEY}/{name}.csv")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    report = full.platform.report(KEY).to_dict()
    records = report["counts"] if list_name is None else report[list_name]
    for row, record in zip(rows, [records] if list_name is None else records, strict=True):
        for column, value in flat(record):
            if isinstance(value, bool) or value is None:
                assert row[column] == ("" if value is None else str(value))
            elif isinstance(value, (int, float)):
                assert float(row[column]) == value


@pytest.mark.parametrize("name", ["pairs", "all-segments", "metrics"])
def test_comparisons_and_metrics_are_tables_too(full: Any, console_as: Any, name: str) -> None:
    answer = console_as(Role.VIEWER).get(f"/experiments/{KEY}/{name}.csv")
    assert answer.status_code == 200
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    report = full.platform.whole_report(KEY).to_dict()
    wanted = {
        "pairs": [(each["policy"], each["baseline"]) for each in report["pairwise"]],
        "all-segments": [
            (each["field"], row["policy"]) for each in report["segments"] for row in each["rows"]
        ],
        "metrics": [(each["name"], each["unit"]) for each in report["happened"]["metrics"]],
    }[name]
    columns = {"pairs": ("policy", "baseline"), "all-segments": ("field", "policy")}
    one, other = columns.get(name, ("name", "unit"))
    assert wanted
    assert [(row[one], row[other]) for row in rows] == wanted


def flat(record: Any, prefix: str = "") -> Any:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_unknown_tables_and_experiments_have_no_file(full: Any, console_as: Any) -> None:
    client = console_as(Role.VIEWER)
    for path in (f"/experiments/{KEY}/secrets.csv", "/experiments/none/report.csv"):
        assert client.get(path).status_code == 404
