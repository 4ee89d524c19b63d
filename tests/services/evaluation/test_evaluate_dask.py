"""The cluster's engine: parts worked on at once give what one machine gives row by row."""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_platform.errors import EvaluationError, InputError, LogError
from bandit_platform.ope.evaluating.evaluation import evaluate_parts
from bandit_platform.ope.evaluating.modelling import Modelling
from bandit_platform.ope.evaluating.plan import ESTIMATORS, INTERVALS, Options
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.policies.vowpal import VowpalModel
from bandit_platform.services.evaluation import evaluate_dask
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.evaluate_dask import OnCluster
from bandit_platform.services.evaluation.evaluate_live import evaluate_live
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.learned_targets import no_progress
from bandit_platform.services.evaluation.log_source import HeldShare, LogSource
from bandit_platform.services.evaluation.log_writers import Kind
from tests.services.conftest import KEY, World
from tests.services.same_numbers import close

POLICIES = ("always:a", "column:new", "uniform", "logging")
SCALE = RewardRange(low=-0.5, high=1.5)


def frame(n: int = 6000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pmf = np.full((n, 3), 0.1)
    pmf[np.arange(n), rng.integers(0, 3, n)] = 0.8
    arm = (pmf.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=2)
    kind = rng.choice(["new", "old", "rare"], n, p=[0.55, 0.44, 0.01])
    rate = 0.2 + 0.1 * arm + 0.3 * (kind == "new") * (arm == 0)
    names = np.array(["a", "b", "nothing"])
    return pd.DataFrame(
        {
            "arm": names[arm],
            "propensity": pmf[np.arange(n), arm],
            "reward": (rng.random(n) < rate) - 0.25 * (arm == 1),
            "decided_at": pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC"),
            "pmf": [
                f'{{"a": {a:.1f}, "b": {b:.1f}, "nothing": {c:.1f}}}' for a, b, c in pmf.tolist()
            ],
            "context.kind": kind,
            "context.size": rng.normal(50, 10, n),
            "target.new": np.where(arm == 1, 0.9, 0.05),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    """No parts are put together but those shorter than the tuning rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_dask, "LEAST_ROWS", 0)
        yield


class Done:
    """A result, as a cluster would hold it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        return pickle.loads(pickle.dumps(self.value))  # noqa: S301 - its own


class AtOnce:
    """A cluster of nobody: work is done when it is begun, on copies, as workers would have them."""

    def run(self, work: Callable[..., Any], *arguments: Any) -> Done:
        return Done(work(*(self._here(each) for each in arguments)))

    def send(self, value: Any) -> Done:
        return Done(value)

    def settled(self, begun: Iterable[Any], settle: Callable[[Any], Any]) -> Iterator[Any]:
        ahead = list(begun)
        return (settle(one) for one in ahead)

    def _here(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._here(one) for one in value]
        if isinstance(value, dict):
            return {key: self._here(one) for key, one in value.items()}
        return (value if isinstance(value, Done) else Done(value)).result()


class Cut(LogSource):
    """A log in parts that end where it is told."""

    def shares(self) -> Iterator[HeldShare]:
        for part in self.parts():
            yield HeldShare(log=part)


def cut(log: DecisionLog, ends: Iterable[int]) -> Cut:
    borders = [0, *sorted(end for end in ends if end < len(log)), len(log)]
    parts = [log.rows(slice(a, b)) for a, b in pairwise(borders)]
    return Cut(parts=lambda: parts)


def both(log: DecisionLog, source: Cut, options: Options, policies=POLICIES) -> tuple[dict, dict]:
    here = evaluate_parts(lambda: (log,), policies, reward_range=SCALE, options=options)
    there = OnCluster(AtOnce(), source, options.by).evaluate(
        policies, scale=SCALE, options=options, progress=no_progress
    )
    return here.to_dict(over_time=True), there.to_dict(over_time=True)


@cache
def logged(n: int) -> DecisionLog:
    return DecisionLog.from_frame(frame(n))


@settings(max_examples=8, deadline=None)
@given(
    n=st.sampled_from([30, 700, 5000]),
    ends=st.lists(st.integers(0, 5000), max_size=8),
    interval=st.sampled_from(INTERVALS),
)
def test_parts_of_any_size_give_what_the_whole_gives(
    n: int, ends: list[int], interval: str
) -> None:
    options = Options(estimators=ESTIMATORS, by=("kind", "context.size"), interval=interval)
    log, policies = logged(n), ("always:a", "column:new")
    close(*both(log, cut(log, ends), options, policies))


@pytest.mark.parametrize("known", ["no PMFs", "one constant PMF"])
def test_logs_that_say_less_give_the_same_too(known: str) -> None:
    rows = frame(4000).drop(columns="pmf")
    if known == "one constant PMF":
        rows["propensity"] = 1 / 3
    options = Options(estimators=ESTIMATORS, baseline="column:new", floor=0.05)
    log = DecisionLog.from_frame(rows)
    close(*both(log, cut(log, [0, 5, 90, 1500, 1501]), options))


def test_a_look_ahead_decides_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the positions that looks give, the comparison above would fail."""
    monkeypatch.setattr(Modelling, "move", lambda *_: None)
    log = logged(5000)
    here, there = both(log, cut(log, [1500, 3000]), Options(estimators=("dr",)))
    with pytest.raises(AssertionError, match="policies"):
        close(here, there)


def test_an_empty_log_is_refused() -> None:
    source = Cut(parts=lambda: [logged(30).rows(slice(0, 0))])
    with pytest.raises(EvaluationError, match="no rows"):
        OnCluster(AtOnce(), source, ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of several row groups each, one of them empty."""
    rows = frame()
    for at in range(3):
        part = rows.iloc[at * 2000 : (at + 1) * 2000]
        part.to_parquet(tmp_path / f"part-{at}.parquet", row_group_size=1000)
    rows.iloc[:0].to_parquet(tmp_path / "part-1-none.parquet")
    return tmp_path


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster of threads."""
    distributed = pytest.importorskip("distributed", reason="dask is an extra")
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as machines,
    ):
        warnings.simplefilter("ignore")
        yield machines.scheduler_address


REQUEST: dict[str, Any] = {
    "policies": POLICIES,
    "estimators": ("ips", "snips", "dr", "mrdr", "switch-dr", "cressie-read"),
    "by": ("kind",),
    "reward_range": (-0.5, 1.5),
}


def compare(scheduler: str | None, request: EvaluationRequest) -> dict[str, Any]:
    """The report of one machine, having compared a cluster's with it."""
    local = evaluate_log(request).to_dict(over_time=True)
    cluster = evaluate_log(replace(request, engine="dask", scheduler=scheduler))
    close(local, cluster.to_dict(over_time=True))
    return local


@pytest.mark.filterwarnings("ignore")
def test_two_processes_give_what_one_machine_gives(folder: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is an extra")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as machines:
        compare(machines.scheduler_address, EvaluationRequest(log=folder, **REQUEST))


@pytest.mark.filterwarnings("ignore")
def test_models_are_applied_by_workers_and_learned_in_order(
    scheduler: str, folder: Path, tmp_path: Path
) -> None:
    model = VowpalModel.fresh("--cb_explore_adf --epsilon 0.2 --quiet")
    (tmp_path / "m.vw").write_bytes(model.save())
    rows: list[int] = []
    asked = EvaluationRequest(
        log=folder,
        policies=(f"model:{tmp_path / 'm.vw'}", "learn:epsilon_greedy"),
        reward_range=(-0.5, 1.5),
        trained_until=datetime(2026, 1, 1, 0, 30, tzinfo=UTC),
    )
    report = compare(scheduler, asked)
    assert report["n"] == 6000 - 1801
    evaluate_log(replace(asked, engine="dask", scheduler=scheduler), rows.append)
    assert sum(rows) == 2 * report["n"] - 83  # the driver's tuning rows are not counted twice


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "folder of csv"])
def test_any_log_can_be_given_to_a_cluster(scheduler: str, tmp_path: Path, name: str) -> None:
    rows, path = frame(3000), tmp_path / name
    if name == "folder of csv":
        path.mkdir()
        for at in range(3):
            rows.iloc[at * 1000 : at * 1000 + 1000].to_csv(path / f"{at}.csv", index=False)
    elif name == "log.csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path)
    compare(scheduler, EvaluationRequest(log=path, **REQUEST))


@pytest.mark.filterwarnings("ignore")
def test_a_running_experiments_rows_too(
    scheduler: str, lite: World, spec: Any, tmp_path: Path
) -> None:
    lite.launch(spec)
    lite.traffic(300)
    lite.settle()
    path = tmp_path / "log.parquet"
    list(export(lite.database, KEY, path, Kind("parquet"), targets=False))
    policies, options = ("uniform", "always:insurance"), Options(estimators=ESTIMATORS)
    live = evaluate_live(lite.database, KEY, policies, options).to_dict(over_time=True)
    report = compare(
        scheduler,
        EvaluationRequest(
            log=path, policies=policies, estimators=ESTIMATORS, reward_range=spec.reward_range
        ),
    )
    assert report["n"] == live["n"] > 150
    close(live["policies"], report["policies"])


@pytest.mark.filterwarnings("ignore")
def test_dsjson_too(scheduler: str, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("".join(dsjson(at) for at in range(400)))
    report = compare(
        scheduler, EvaluationRequest(log=path, policies=("uniform", "always:action-1"))
    )
    assert report["n"] == 400


def dsjson(at: int) -> str:
    """A line as Vowpal Wabbit writes it."""
    reward = at % 3 == 0
    return (
        json.dumps(
            {
                "_label_cost": -1.0 * reward,
                "_label_probability": 0.5,
                "_label_Action": 1 + at % 2,
                "_labelIndex": at % 2,
                "EventId": f"e{at}",
                "Timestamp": f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z",
                "a": [1 + at % 2, 2 - at % 2],
                "p": [0.5, 0.5],
                "c": {"_multi": [{"x": 1}, {"x": 2}]},
            }
        )
        + "\n"
    )


@pytest.mark.filterwarnings("ignore")
def test_a_workers_error_is_the_callers(scheduler: str, folder: Path) -> None:
    rows = frame(1000)
    rows["decided_at"] += pd.Timedelta(days=1)
    right = rows.loc[7, "propensity"]
    rows.loc[7, "propensity"] = 2.0
    rows.to_parquet(folder / "part-9.parquet")
    asked = EvaluationRequest(log=folder, engine="dask", scheduler=scheduler, **REQUEST)
    with pytest.raises(LogError, match=r"part-9\.parquet, row 8: propensity 2"):
        evaluate_log(asked)
    rows.loc[7, "propensity"] = right
    rows["decided_at"] -= pd.Timedelta(days=2)
    rows.to_parquet(folder / "part-9.parquet")
    with pytest.raises(LogError, match="sort it by decided_at"):
        evaluate_log(asked)


def test_what_a_cluster_cannot_do_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="row by row"):
        evaluate_log(EvaluationRequest(log=folder, engine="dask", reward_model="vw"))
    with pytest.raises(InputError, match="goes with --engine dask"):
        evaluate_log(EvaluationRequest(log=folder, scheduler="tcp://localhost:8786"))
    with pytest.raises(InputError, match="unknown engine"):
        evaluate_log(EvaluationRequest(log=folder, engine="spark"))


def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"bandit-platform\[dask"):
        evaluate_log(EvaluationRequest(log=folder, engine="dask"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LogError, match=r"bandit-platform\[parquet"):
        evaluate_log(EvaluationRequest(log=folder))
