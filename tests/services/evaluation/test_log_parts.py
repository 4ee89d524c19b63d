"""Logs read in parts, with the results of reading them whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bandit_platform.errors import LogError
from bandit_platform.services.evaluation import log_parts, log_source
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.log_parts import PartsReader
from tests.services.same_numbers import close


def frame(n: int = 9000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pmf = np.full((n, 3), 0.1)
    pmf[np.arange(n), rng.integers(0, 3, n)] = 0.8
    arm = (pmf.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=2)
    return pd.DataFrame(
        {
            "arm": np.array(["a", "b", "nothing"])[arm],
            "propensity": pmf[np.arange(n), arm],
            "reward": (rng.random(n) < 0.2 + 0.1 * arm).astype(float),
            "decided_at": pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC"),
            "context.kind": rng.choice(["new", "old"], n),
            "target.new": (arm == 1) * 1.0,
            "unused": "x",
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of several row groups each."""
    rows = frame()
    for at in range(3):
        part = rows.iloc[at * 3000 : (at + 1) * 3000]
        part.to_parquet(tmp_path / f"part-{at}.parquet", row_group_size=1000)
    return tmp_path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_parts, "PART_ROWS", 700)
    monkeypatch.setattr(log_source, "MEMORY_ROWS", 5000)


REQUEST = {
    "policies": ("always:a", "column:new", "uniform"),
    "estimators": ("ips", "snips", "dr", "switch-dr", "cressie-read"),
    "by": ("kind",),
}


def test_parts_give_what_memory_gives(folder: Path, tmp_path: Path, small_parts: None) -> None:
    whole = tmp_path / "whole.csv"
    frame().to_csv(whole, index=False)
    in_parts = evaluate_log(EvaluationRequest(log=folder, **REQUEST))
    in_memory = evaluate_log(EvaluationRequest(log=whole, **REQUEST))
    close(in_memory.to_dict(), in_parts.to_dict())


def test_only_needed_columns_are_read(folder: Path) -> None:
    reader = PartsReader.of(folder, context=False)
    log = next(iter(reader.parts()))
    assert log.context is None
    assert set(log.targets) == {"new"}
    assert reader.rows() == 9000


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    rows = frame(100)
    rows.iloc[50:].to_parquet(tmp_path / "a.parquet")
    rows.iloc[:50].to_parquet(tmp_path / "b.parquet")
    with pytest.raises(LogError, match="sort it by decided_at"):
        list(PartsReader.of(tmp_path).parts())


def test_a_bad_row_names_its_file_and_row(tmp_path: Path, small_parts: None) -> None:
    rows = frame(2000)
    rows.loc[1500, "propensity"] = 2.0
    rows.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(LogError, match=r"a\.parquet, row 1501: propensity 2"):
        evaluate_log(EvaluationRequest(log=tmp_path))
    report = evaluate_log(EvaluationRequest(log=tmp_path, skip_bad_rows=True))
    assert report.n == 1999
    assert any("1 bad rows" in note for note in report.notes)


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such Parquet"):
        PartsReader.of(tmp_path)
    (tmp_path / "a.parquet").write_text("no parquet")
    with pytest.raises(LogError, match="not a readable"):
        list(PartsReader.of(tmp_path).parts())
