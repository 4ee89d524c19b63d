"""Measure off-policy evaluation against a bare numpy pass, vw-estimators and its own growth.

Everything runs side by side in one process or in fresh ones for memory, on synthetic logs of ten
arms with a 2 % floor. Figures are medians of interleaved repeats, so that a busy machine slows
both sides alike. Wherever one process is compared with itself or another, processor time is, of
which others take none; for a cluster it is the time that passes.

    python scripts/bench_ope.py --rows 1000000 --parquet-rows 10000000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ope_logs import FLOOR, Log, make_log, write_csv, write_model, write_parquet

from bandit_platform.ope import DecisionLog, RewardRange, evaluate
from bandit_platform.ope.logs.targets import from_pmf
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log

ESTIMATORS = ("ips", "snips", "dr", "switch-dr", "cressie-read")
SHARED = ("ips", "snips", "cressie-read")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measurement and what is asked of it.

    Attributes:
        name: what was measured.
        value: the figure.
        limit: what it must not exceed (or, for ``least``, fall below).
        least: the limit is a lower one.
    """

    name: str
    value: float
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        """The limit is kept."""
        return self.value >= self.limit if self.least else self.value <= self.limit


def bare(log: Log) -> dict[str, float]:
    """Weights, IPS, SNIPS, DM, DR and normal intervals in plain numpy."""
    each, root = np.arange(log.arm.size), np.sqrt(log.arm.size)
    weight = log.target[each, log.arm] / log.propensity
    gained = weight * log.reward
    ips, ips_error = gained.mean(), gained.std() / root
    snips = gained.sum() / weight.sum()
    snips_error = (weight * (log.reward - snips)).std() / weight.mean() / root
    direct = (log.target * log.predicted).sum(axis=1)
    doubly = direct + weight * (log.reward - log.predicted[each, log.arm])
    return {
        "ips": ips,
        "ips_error": ips_error,
        "snips": snips,
        "snips_error": snips_error,
        "dm": direct.mean(),
        "dm_error": direct.std() / root,
        "dr": doubly.mean(),
        "dr_error": doubly.std() / root,
    }


def ours(log: Log, estimators: Sequence[str] = ESTIMATORS) -> dict[str, Any]:
    """The same and more through the public API, with confidence sequences and verdicts."""
    table = DecisionLog(
        arms=tuple("abcdefghij"), arm=log.arm, propensity=log.propensity, reward=log.reward
    )
    prepared = {"mine": from_pmf(table, "mine", log.target, floor=FLOOR)}
    report = evaluate(
        table,
        ["mine"],
        reward_range=RewardRange(low=0, high=1),
        baseline="logging",
        estimators=estimators,
        floor=FLOOR,
        prepared=prepared,
    )
    return report.to_dict()


def reference(log: Log, rows: int) -> dict[str, Any]:
    """The estimators and intervals that vw-estimators has as well."""
    from estimators.bandits import (  # noqa: PLC0415 - a test extra, not needed for Parquet
        cressieread,
        gaussian,
        ips,
        snips,
    )

    found = [ips.Estimator(), snips.Estimator(), cressieread.Estimator(0, 1 / FLOOR)]
    bounds = [gaussian.Interval(), cressieread.Interval(0, 1 / FLOOR)]
    target = log.target[np.arange(rows), log.arm[:rows]].tolist()
    columns = zip(log.propensity[:rows].tolist(), log.reward[:rows].tolist(), target, strict=True)
    for propensity, reward, probability in columns:
        for one in found:
            one.add_example(propensity, reward, probability)
        for one in bounds:
            one.add_example(propensity, reward, probability)
    return {"values": [one.get() for one in found], "bounds": [one.get() for one in bounds]}


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def speed(rows: int, repeats: int) -> list[Figure]:
    """Time against the bare pass and against vw-estimators."""
    log = make_log(rows)
    few = min(rows, 50_000)
    ours(make_log(2000))  # imports
    pairs = [(seconds(lambda: ours(log)), seconds(lambda: bare(log))) for _ in range(repeats)]
    ratio = float(np.median([first / second for first, second in pairs]))
    own = seconds(lambda: ours(log, SHARED)) / rows
    theirs = seconds(lambda: reference(log, few)) / few
    print(f"ours {pairs} bare; vw-estimators {theirs * 1e6:.1f} us a row", file=sys.stderr)
    return [
        Figure(name="time ÷ bare numpy pass", value=ratio, limit=5.0),
        Figure(name="times faster than vw-estimators", value=theirs / own, limit=20.0, least=True),
    ]


def memory_child(rows: int) -> None:
    """In a process of its own: peak memory above the inputs, as a share of the inputs."""
    ours(make_log(2000))
    log = make_log(rows)
    before = _resident()
    ours(log)
    print(json.dumps({"share": (_peak() - before + log.size) / log.size}))


def file_child(path: str, engine: str, model: str | None) -> None:
    """In a process of its own: time and peak memory of a log file, maybe with a model as well.

    The cluster has two workers of one thread, and its start is not counted.
    """
    policies = ("always:a", "column:mine", *([f"model:{model}"] if model else []))
    request = EvaluationRequest(
        log=Path(path), policies=policies, floor=FLOOR, engine=engine, held_out=model is not None
    )
    if engine == "dask":
        from distributed import LocalCluster  # noqa: PLC0415 - an extra

        start_cluster: Any = LocalCluster  # it is not typed
        machines = start_cluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        request = replace(request, scheduler=machines.scheduler_address)
    start, own = time.perf_counter(), time.process_time()
    report = evaluate_log(request)
    spent, own = time.perf_counter() - start, time.process_time() - own
    print(json.dumps({"seconds": spent, "processor": own, "peak": _peak(), "rows": report.n}))


def _peak() -> float:
    """Peak memory in bytes; getrusage would count the parent's before exec."""
    return _status("VmHWM")


def _resident() -> float:
    return _status("VmRSS")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024.0 for line in lines if line.startswith(name))


def child(*arguments: str) -> dict[str, float]:
    """Run this script's child mode in a fresh process."""
    run = subprocess.run(  # noqa: S603 - itself
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(run.stdout)
    return found


def file_figures(path: Path, engine: str = "local", model: Path | None = None) -> dict[str, float]:
    """Time and peak memory of a log file, valuing a model too if one is given."""
    scored = () if model is None else ("--model", str(model))
    return child("--file-child", str(path), "--engine", engine, *scored)


def scale(rows: int) -> list[Figure]:
    """Memory of a large Parquet log, and its time against a tenth of it."""
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.parquet", Path(folder) / "small.parquet"
        write_parquet(large, rows)
        write_parquet(small, rows // 10)
        few, many = file_figures(small), file_figures(large)
    print(f"a tenth {few}, all {many}", file=sys.stderr)
    longer = many["processor"] / few["processor"]
    return [
        Figure(name=f"GiB at {rows} Parquet rows", value=many["peak"] / 2**30, limit=1.5),
        Figure(name="time ÷ time of a tenth", value=longer, limit=11.0),
    ]


def engines(rows: int, repeats: int) -> list[Figure]:
    """Two workers against one process, in turns, and the memory that CSV takes.

    On two cores driver, scheduler and workers share what one process has to itself. So sums alone
    gain nothing there, and applying a model to every row gains little; more cores do.
    """
    with tempfile.TemporaryDirectory() as folder:
        parquet, csv, model = (Path(folder) / name for name in ("log.parquet", "log.csv", "m.vw"))
        write_parquet(parquet, rows)
        write_model(model)
        sums, scored = (against_workers(parquet, repeats, each) for each in (None, model))
        write_csv(csv, rows)
        text = file_figures(csv)
    print(f"CSV {text}", file=sys.stderr)
    return [
        Figure(name="two workers ÷ one process, rows/s", value=sums, limit=0.5, least=True),
        Figure(name="the same with a model", value=scored, limit=0.5, least=True),
        Figure(name=f"GiB at {rows} CSV rows", value=text["peak"] / 2**30, limit=0.5),
    ]


def against_workers(path: Path, repeats: int, model: Path | None) -> float:
    """Time of one process ÷ time of two workers."""
    pairs = [
        (file_figures(path, model=model), file_figures(path, "dask", model)) for _ in range(repeats)
    ]
    print(f"here and on two workers, model {model is not None}: {pairs}", file=sys.stderr)
    return float(np.median([here["seconds"] / there["seconds"] for here, there in pairs]))


def main() -> int:
    """Measure and print; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parquet-rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--dask", type=int, metavar="ROWS", help="measure a cluster and CSV on so many rows instead"
    )
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("--memory-child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--file-child", help=argparse.SUPPRESS)
    parser.add_argument("--engine", default="local", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory_child:
        memory_child(asked.memory_child)
        return 0
    if asked.file_child:
        file_child(asked.file_child, asked.engine, asked.model)
        return 0
    if asked.dask:
        return report(engines(asked.dask, asked.repeats), asked.format)
    figures = speed(asked.rows, asked.repeats)
    share = child("--memory-child", str(asked.rows))["share"]
    figures.append(Figure(name="peak memory ÷ input arrays", value=share, limit=2.0))
    if asked.parquet_rows:
        figures += scale(asked.parquet_rows)
    return report(figures, asked.format)


def report(figures: Sequence[Figure], output: str) -> int:
    """Print the figures; 1 where a limit is not kept."""
    if output == "json":
        print(json.dumps([{**asdict(one), "met": one.met} for one in figures], indent=2))
    else:
        for one in figures:
            bound = "at least" if one.least else "at most"
            met = "met" if one.met else "NOT MET"
            print(f"{one.name:42} {one.value:8.2f}   {bound} {one.limit:g}   {met}")
    return 0 if all(one.met for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
