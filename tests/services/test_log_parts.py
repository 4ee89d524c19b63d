"""Parquet logs in parts: read on one machine and on a cluster, with the same results."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bandit_platform.errors import InputError, LogError
from bandit_platform.services import log_parts, log_source
from bandit_platform.services.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.log_parts import PartsReader


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


def close(first, second, path: str = "") -> None:
    """Equal to 1e-9, whatever the nesting."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            close(first[key], second[key], f"{path}.{key}")
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for at, (one, other) in enumerate(zip(first, second, strict=True)):
            close(one, other, f"{path}[{at}]")
    elif isinstance(first, float):
        assert first == pytest.approx(second, abs=1e-9), path
    else:
        assert first == second, path


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


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_what_one_machine_gives(folder: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is an extra")
    local = evaluate_log(EvaluationRequest(log=folder, **REQUEST))
    with distributed.LocalCluster(processes=False, dashboard_address=None) as machines:
        cluster = evaluate_log(
            EvaluationRequest(
                log=folder, engine="dask", scheduler=machines.scheduler_address, **REQUEST
            )
        )
    close(local.to_dict(), cluster.to_dict())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policies": ("learn:squarecb",)}, "row by row"),
        ({"experiment": Path("x")}, "--experiment"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(folder: Path, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_log(EvaluationRequest(log=folder, engine="dask", **change))


def test_a_cluster_reads_parquet_only(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    frame(50).to_csv(path, index=False)
    with pytest.raises(InputError, match="export one first"):
        evaluate_log(EvaluationRequest(log=path, engine="dask"))
    with pytest.raises(InputError, match="unknown engine"):
        evaluate_log(EvaluationRequest(log=path, engine="spark"))


def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"bandit-platform\[dask"):
        evaluate_log(EvaluationRequest(log=folder, engine="dask"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LogError, match=r"bandit-platform\[parquet"):
        evaluate_log(EvaluationRequest(log=folder))
