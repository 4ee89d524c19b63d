"""Open Bandit: two loggers of one shop, so few clicks that honest intervals must be wide."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bandit_platform.ope import DecisionLog, PolicyReport, RewardRange, evaluate
from bandit_platform.ope.logs.targets import from_pmf

UNIT = RewardRange(low=0, high=1)


@pytest.fixture(scope="module")
def folder() -> Path:
    root = Path(__file__).parents[2]
    data = Path(os.environ.get("BANDIT_PLATFORM_DATA", root / ".." / "shared" / "data"))
    path = data / "open_bandit"
    if not path.exists():
        if os.environ.get("BANDIT_PLATFORM_REQUIRE_DATA") == "1":
            pytest.fail(f"{path} is required and absent")
        pytest.skip(f"{path} is absent: set BANDIT_PLATFORM_DATA to the data folder")
    return path


def table(folder: Path, name: str) -> pd.DataFrame:
    columns = ["timestamp", "item_id", "position", "click", "propensity_score"]
    return pd.read_csv(folder / f"{name}_log.csv.gz", usecols=columns).sort_values(
        "timestamp", kind="stable"
    )


def as_log(rows: pd.DataFrame, arms: int) -> DecisionLog:
    return DecisionLog(
        arms=tuple(f"{item:02d}" for item in range(arms)),
        arm=rows["item_id"].to_numpy(dtype=np.int64),
        propensity=rows["propensity_score"].to_numpy(),
        reward=rows["click"].to_numpy(dtype=np.float64),
        context=pd.DataFrame({"position": rows["position"].to_numpy()}),
    )


def other_policy(rows: pd.DataFrame, logger: pd.DataFrame, arms: int) -> np.ndarray:
    """The other logger's mean propensity of each item at each position, for the given rows."""
    shares = logger.groupby(["position", "item_id"])["propensity_score"].mean().unstack()
    shares = shares.reindex(columns=range(arms)).fillna(1e-4)
    shares = shares.div(shares.sum(axis=1), axis=0)
    return shares.loc[rows["position"]].to_numpy()


def honest(one: PolicyReport, truth: float) -> None:
    assert one.diagnostics.verdict in {"caution", "cannot-evaluate"}, one.diagnostics
    for name in ("ips", "dr"):
        estimate = one.estimates[name]
        assert estimate.lower < truth < estimate.upper
        assert estimate.upper - estimate.lower > truth
    assert one.uplift.estimate.lower < 0 < one.uplift.estimate.upper


@pytest.mark.parametrize(("shop", "arms"), [("all", 80), ("men", 34)])
def test_the_uniform_log_values_the_other_logger(folder: Path, shop: str, arms: int) -> None:
    uniform, thompson = table(folder, f"random_{shop}"), table(folder, f"bts_{shop}")
    log = as_log(uniform, arms)
    prepared = {"bts": from_pmf(log, "bts", other_policy(uniform, thompson, arms))}
    report = evaluate(log, ["bts"], reward_range=UNIT, prepared=prepared)
    honest(report.policies[0], float(thompson["click"].mean()))


@pytest.mark.parametrize(("shop", "arms"), [("all", 80), ("men", 34)])
def test_the_other_log_values_the_uniform_policy_with_caution(
    folder: Path, shop: str, arms: int
) -> None:
    thompson, uniform = table(folder, f"bts_{shop}"), table(folder, f"random_{shop}")
    report = evaluate(as_log(thompson, arms), ["uniform"], reward_range=UNIT)
    honest(report.policies[0], float(uniform["click"].mean()))
    asymptotic = evaluate(
        as_log(thompson, arms), ["uniform"], reward_range=UNIT, interval="asymptotic-cs"
    )
    assert asymptotic.policies[0].estimates["ips"].collecting
