"""Foreign files become decision logs, and what does not fit is refused with file and line."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bandit_platform.errors import InputError, LogError, SpecError
from bandit_platform.services.evaluation.logged_data import LoggedEvent, read_logged_data

EXPERIMENT = """
key = "mail"
placement = "email"
[context]
age = { type = "number", min = 0, required = true }
member = { type = "boolean" }
town = { type = "category" }
[[arms]]
key = "letter"
[[arms]]
key = "card"
[reward]
range = [-1.0, 2.0]
visit = 1.0
purchase = { amount = 0.1 }
impression = -0.25
"""
COLUMNS = """
[arm]
column = "sent"
values = { "L" = "letter", "C" = "card", "-" = "nothing" }
[propensity]
value = "1/3"
[context]
age = { column = "age" }
member = { column = "member" }
town = { column = "town" }
[events]
visit = { column = "visited" }
purchase = { column = "bought", amount = { column = "spent" } }
impression = { shown = true }
"""
DATA = """sent,age,member,town,visited,bought,spent,other
L,31,1,Ayr,1,1,12.5,x
-,40.5,,,0,0,0,x
C,22,false,Wick,1,0,,x
card,50,TRUE,Ayr,0,3,40,x
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "experiment.toml").write_text(EXPERIMENT)
    (tmp_path / "columns.toml").write_text(COLUMNS)
    (tmp_path / "data.csv").write_text(DATA)
    return tmp_path


def test_rows_become_decisions_with_outcomes_and_rewards(folder: Path) -> None:
    log = read_logged_data(folder, folder / "data.csv")
    assert log.arms == ("letter", "nothing", "card", "card")
    assert log.propensities == pytest.approx([1 / 3] * 4)
    assert log.contexts[0] == {"age": 31.0, "member": True, "town": "Ayr"}
    assert log.contexts[1] == {"age": 40.5}
    assert log.contexts[2]["member"] is False
    assert log.events[0] == (
        LoggedEvent(type="visit", amount=None),
        LoggedEvent(type="purchase", amount=12.5),
        LoggedEvent(type="impression", amount=None),
    )
    assert log.events[1] == ()
    assert log.rewards == pytest.approx([1.0 + 1.25 - 0.25, 0.0, 0.75, 2.0])
    assert log.clipped == 1  # 4.0 - 0.25 lies above the range
    assert log.units == ("row-1", "row-2", "row-3", "row-4")


def test_gzip_and_parquet_hold_the_same_log(folder: Path) -> None:
    with gzip.open(folder / "data.csv.gz", "wt") as file:
        file.write(DATA)
    pd.read_csv(folder / "data.csv").to_parquet(folder / "data.parquet")
    plain = read_logged_data(folder, folder / "data.csv")
    for name in ("data.csv.gz", "data.parquet"):
        other = read_logged_data(folder, folder / name)
        assert other.arms == plain.arms
        assert np.array_equal(other.rewards, plain.rewards)
        assert other.events == plain.events
        assert [c["age"] for c in other.contexts] == [c["age"] for c in plain.contexts]


def test_limit_reads_the_start(folder: Path) -> None:
    assert len(read_logged_data(folder, folder / "data.csv", limit=2)) == 2


def test_propensity_and_unit_may_be_columns(folder: Path) -> None:
    text = COLUMNS.replace('value = "1/3"', 'column = "age"') + '[unit]\ncolumn = "town"\n'
    (folder / "columns.toml").write_text(text)
    (folder / "data.csv").write_text(
        "sent,age,member,town,visited,bought,spent\nL,1/4,1,Ayr,0,0,0\n"
    )
    with pytest.raises(LogError, match=r"data\.csv:2: column age must be a number"):
        read_logged_data(folder, folder / "data.csv")
    (folder / "data.csv").write_text(
        "sent,age,member,town,visited,bought,spent\nL,0.25,1,Ayr,0,0,0\n"
    )
    log = read_logged_data(folder, folder / "data.csv")
    assert log.propensities == pytest.approx([0.25])
    assert log.units == ("Ayr",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("L,31", "Q,31", r"data\.csv:2: column sent has a value that is no arm"),
        ("C,22", "C,-1", r"data\.csv:4: column age must be at least 0"),
        ("C,22", "C,old", r"data\.csv:4: column age must be a number"),
        ("C,22", "C,", r"data\.csv:4: column age must be a number"),
        ("C,22", "C,inf", r"data\.csv:4: column age must be a finite number"),
        ("TRUE", "maybe", r"data\.csv:5: column member must be 1 or 0"),
        ("0,3,40", "often,3,40", r"data\.csv:5: column visited must be a number"),
        ("0,3,40", "0,3,much", r"data\.csv:5: column spent must be a number"),
        ("spent", "spend", r"data\.csv:1: has no column spent"),
        ("card,50,TRUE,Ayr,0,3,40,x", "card,50", r"data\.csv:5: has 2 columns, the header has 8"),
        ("card,50,TRUE", "card,50,1,1,1,1,1,1,1,TRUE", r"data\.csv:5: has 15 columns"),
    ],
)
def test_a_bad_value_is_refused_with_file_and_line(
    folder: Path, old: str, new: str, message: str
) -> None:
    (folder / "data.csv").write_text(DATA.replace(old, new))
    with pytest.raises(LogError, match=message):
        read_logged_data(folder, folder / "data.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"card"', '"kard"', r"arm\.values\.kard: is not an arm"),
        ("[arm]", "[arms]", r"arm: is missing; arms: is not known here"),
        ('value = "1/3"', 'value = "4/3"', r"propensity\.value: must be a probability"),
        ('value = "1/3"', "value = 0.0", r"propensity\.value: must be a probability"),
        ('value = "1/3"', "", r"propensity: needs either value or column"),
        ('town = { column = "town" }', 'city = { column = "town" }', r"context\.city: is not"),
        ('age = { column = "age" }', "", r"context\.age: is required by the experiment"),
        ("{ shown = true }", "{ shown = 1 }", r"events\.impression\.shown: "),
        ("{ shown = true }", "{ }", r"events\.impression: needs either column or shown"),
        ("impression =", "Impression =", r"events: event types are lower-case"),
        ("[events]", "[events", r"columns\.toml: is not valid TOML"),
    ],
)
def test_a_bad_columns_file_is_refused_with_its_path(
    folder: Path, old: str, new: str, message: str
) -> None:
    (folder / "columns.toml").write_text(COLUMNS.replace(old, new))
    with pytest.raises(SpecError, match=message) as caught:
        read_logged_data(folder, folder / "data.csv")
    assert str(folder / "columns.toml") in str(caught.value)


def test_missing_files_are_named(folder: Path) -> None:
    with pytest.raises(LogError, match="there is no such file"):
        read_logged_data(folder, folder / "absent.csv")
    (folder / "columns.toml").unlink()
    with pytest.raises(SpecError, match=r"columns\.toml: cannot be read"):
        read_logged_data(folder, folder / "data.csv")
    with pytest.raises(InputError, match=r"experiment\.toml: there is no such file"):
        read_logged_data(folder / "nowhere", folder / "data.csv")


def test_files_that_are_no_tables_are_refused(folder: Path) -> None:
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text(DATA.splitlines()[0] + "\n")
    (folder / "noise.csv.gz").write_bytes(b"not gzip")
    (folder / "noise.parquet").write_bytes(b"not parquet")
    for name in ("empty.csv", "header.csv", "noise.csv.gz", "noise.parquet"):
        with pytest.raises(LogError, match=name):
            read_logged_data(folder, folder / name)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_of_json_lists_is_a_set(folder: Path, kind: str) -> None:
    with_cart = EXPERIMENT.replace("[context]", '[context]\ncart = { type = "set" }')
    (folder / "experiment.toml").write_text(with_cart)
    columns = COLUMNS.replace("[context]", '[context]\ncart = { column = "cart" }')
    (folder / "columns.toml").write_text(columns)
    frame = pd.read_csv(folder / "data.csv", dtype=str)
    frame["cart"] = ['["b", "a", "b"]', "[]", None, '["a"]']
    if kind == "csv":
        frame.to_csv(folder / "cart.csv", index=False)
    else:
        frame.to_parquet(folder / "cart.parquet")
    found = read_logged_data(folder, folder / f"cart.{kind}").contexts
    assert [each.get("cart") for each in found] == [("a", "b"), (), None, ("a",)]
    frame["cart"] = ['{"a": 1}', "[]", None, None]
    frame.to_csv(folder / "cart.csv", index=False)
    with pytest.raises(LogError, match="column cart must be a JSON list of texts"):
        read_logged_data(folder, folder / "cart.csv")
