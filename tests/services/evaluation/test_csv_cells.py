"""No cell of a CSV is a formula, and a decision log reads back to what it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bandit_platform.services.evaluation.csv_cells import (
    csv_text,
    guarded,
    unguarded,
    without_guards,
)
from bandit_platform.services.evaluation.decision_log import read_decision_log
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.log_writers import Kind

KEY = "checkout-offers"
HARMFUL = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''-x", '=HYPERLINK("x")'),
    *(
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM(A1)",
        "\ufe661",
        "\ufe621",
        "\ufe631",
        "\ufe6bA1",
    ),
]
HARMLESS = ["GB", "", "'", "'tis", "a=b", "1-1", 'say "hi"', "two\nlines"]


@pytest.mark.parametrize("text", HARMFUL)
def test_a_formula_becomes_text_and_comes_back(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("cell", [*HARMLESS, -1.5, 0, True, None])
def test_everything_else_is_left_alone(cell: Any) -> None:
    assert guarded(cell) is cell
    assert unguarded(cell) is cell


def test_a_table_has_no_formula_and_numbers_are_numbers() -> None:
    text = csv_text(["=name", "value"], [[each, -0.125] for each in HARMFUL])
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["'=name", "value"]
    assert [row[0] for row in rows] == [f"'{each}" for each in HARMFUL]
    assert {row[1] for row in rows} == {"-0.125"}


def test_only_context_columns_are_read_back() -> None:
    frame = pd.DataFrame({"unit_id": ["'=1"], "context.a": ["'=1"], "context.b": [-1.0]})
    found = without_guards(frame)
    assert found.iloc[0].to_list() == ["'=1", "=1", -1.0]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_an_exported_log_keeps_its_contexts(
    lite: Any, spec: Any, tmp_path: Path, name: str
) -> None:
    lite.launch(spec)
    for text in HARMFUL:
        lite.measured(context={"cart_value": 80.0, "country": text, "returning": True})
    lite.settle()
    list(export(lite.database, KEY, tmp_path / name, Kind.CSV))
    if name == "log.csv":
        with (tmp_path / name).open(newline="") as file:
            cells = list(csv.DictReader(file))
        assert all(row["context.country"].startswith("'") for row in cells)
    log = read_decision_log(tmp_path / name)
    context = log.log.context
    assert context is not None
    assert set(context["country"]) == set(HARMFUL)
    assert set(context["cart_value"]) == {80.0}
