"""CSV logs read in parts give what they give in memory, and say the same of bad rows."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.errors import EvaluationError, LogError
from bandit_platform.services.evaluation import csv_parts, log_source
from bandit_platform.services.evaluation.csv_parts import CsvReader, kind_of, kind_of_both
from bandit_platform.services.evaluation.decision_log import read_decision_log
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.log_source import open_log
from tests.services.same_numbers import close


def frame(n: int = 3000) -> pd.DataFrame:
    """Columns whose cells look different in different parts of the file."""
    rng = np.random.default_rng(0)
    arm, at = rng.integers(0, 3, n), np.arange(n)
    late = at >= n // 2
    return pd.DataFrame(
        {
            "arm": np.array(["a", "b", "nothing"])[arm],
            "propensity": 1 / 3,
            "reward": (rng.random(n) < 0.2 + 0.1 * arm).astype(int),
            "decided_at": pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC").astype(str),
            "context.code": np.where(late, "x1", rng.integers(1, 4, n).astype(str)),
            "context.size": np.where(late & (at % 7 == 0), "", rng.integers(0, 40, n).astype(str)),
            "context.flag": np.where(late, rng.choice(["True", "False"], n), ""),
            "context.sure": rng.choice(["True", "False"], n),
            "context.none": "",
            "context.mixed": np.where(late, "2.50", "True"),
            "target.new": np.where(arm == 1, 1, 0),
            "unused": "x",
        }
    )


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every CSV file is too large for memory."""
    monkeypatch.setattr(csv_parts, "PART_ROWS", 701)
    monkeypatch.setattr(log_source, "MEMORY_BYTES", {".csv": 0, ".gz": 0})


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_parts_give_what_memory_gives(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / name
    frame().to_csv(path, index=False)
    asked = EvaluationRequest(
        log=path,
        policies=("always:a", "column:new", "uniform"),
        estimators=("ips", "snips", "dr", "mrdr"),
        by=("code", "size", "flag", "sure", "mixed"),
    )
    in_memory = evaluate_log(asked).to_dict(over_time=True)
    request.getfixturevalue("parts")
    assert isinstance(open_log(path).reader, CsvReader)
    close(evaluate_log(asked).to_dict(over_time=True), in_memory, within=1e-12)


def test_columns_have_the_type_they_have_in_memory(tmp_path: Path, parts: None) -> None:
    path = tmp_path / "log.csv"
    frame().to_csv(path, index=False)
    whole = read_decision_log(path).log.context
    read = [part.context for part in CsvReader.of(path).parts()]
    assert whole is not None
    assert len(read) == 5
    for part in read:
        assert part is not None
        assert part.dtypes.to_dict() == whole.dtypes.to_dict()
    together = pd.concat(read, ignore_index=True)
    pd.testing.assert_frame_equal(together, whole)
    assert CsvReader.of(path, context=False).kinds == {}


CELLS = st.sampled_from(["", "1", "-7", "2.5", "True", "False", "word"])


@given(cells=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_kinds_of_parts_add_up_to_the_kind_of_the_whole(cells: list[list[str]]) -> None:
    def read(rows: list[str]) -> pd.Series:
        text = "\n".join(["x,y", *(f"0,{cell}" for cell in rows)])
        return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])["y"]

    kinds = [kind_of(read(part)) for part in cells]
    together = reduce(kind_of_both, kinds)
    assert together == kind_of(read([cell for part in cells for cell in part]))


def test_a_bad_row_names_its_line(tmp_path: Path, parts: None) -> None:
    rows = frame(2000)
    rows["context.code"] = rows["context.code"].where(rows.index != 3, "two\nlines")
    rows["propensity"] = rows["propensity"].astype(object)
    rows.loc[1500, "propensity"] = "much"
    rows.loc[1700, "propensity"] = 2.0
    path = tmp_path / "log.csv"
    rows.to_csv(path, index=False)
    with pytest.raises(LogError, match=r"log\.csv, line 1503: propensity 'much' is not a finite"):
        evaluate_log(EvaluationRequest(log=path))
    report = evaluate_log(EvaluationRequest(log=path, skip_bad_rows=True))
    assert report.n == 1998
    assert any("2 bad rows" in note and "line 1503" in note for note in report.notes)


def test_a_part_without_a_good_row_is_passed_over(tmp_path: Path, parts: None) -> None:
    rows = frame(2000)
    rows.loc[701:1401, "reward"] = np.nan
    path = tmp_path / "log.csv"
    rows.to_csv(path, index=False)
    report = evaluate_log(EvaluationRequest(log=path, skip_bad_rows=True))
    assert report.n == 1299
    rows["reward"] = np.nan
    rows.to_csv(path, index=False)
    with pytest.raises(EvaluationError, match="no rows"):
        evaluate_log(EvaluationRequest(log=path, skip_bad_rows=True))


def test_rows_out_of_order_are_refused_only_where_memory_is_short(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "log.csv"
    frame().iloc[::-1].to_csv(path, index=False)
    assert evaluate_log(EvaluationRequest(log=path)).n == 3000
    request.getfixturevalue("parts")
    with pytest.raises(LogError, match="sort it by decided_at"):
        evaluate_log(EvaluationRequest(log=path))


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path, parts: None) -> None:
    rows = frame()
    rows.to_csv(tmp_path / "whole.csv", index=False)
    folder = tmp_path / "parts"
    folder.mkdir()
    rows.iloc[2000:].to_csv(folder / "2.csv.gz", index=False)
    rows.iloc[:2000].to_csv(folder / "1.csv", index=False)
    asked = EvaluationRequest(log=tmp_path / "whole.csv", by=("code",))
    whole, read = evaluate_log(asked), evaluate_log(replace(asked, log=folder))
    close(read.to_dict(over_time=True), whole.to_dict(over_time=True), within=1e-12)


def test_what_is_no_csv_is_said(tmp_path: Path, parts: None) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(LogError, match="not a readable CSV"):
        evaluate_log(EvaluationRequest(log=path))
    path = tmp_path / "log.csv"
    path.write_text('arm,propensity,reward\na,0.5,1\n"b,0.5\n')
    with pytest.raises(LogError, match="not a readable CSV"):
        evaluate_log(EvaluationRequest(log=path))
    path.write_text("arm,reward\na,1\n")
    with pytest.raises(LogError, match="--estimate-propensities"):
        evaluate_log(EvaluationRequest(log=path))
    report = evaluate_log(EvaluationRequest(log=path, estimate_propensities=True))
    assert any("estimated" in note for note in report.notes)
