"""Synthetic decision logs of ten arms with a 2 % floor, for benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ARMS, FLOOR = 10, 0.02
ROW_GROUP = 131_072


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """A synthetic log.

    Attributes:
        arm: logged arms, shape (n,).
        propensity: of the logged arm, shape (n,).
        reward: 0 or 1, shape (n,).
        target: PMF of the target policy, shape (n, arms).
        predicted: reward predictions for the bare pass, shape (n, arms).
    """

    arm: npt.NDArray[np.int64]
    propensity: Floats
    reward: Floats
    target: Floats
    predicted: Floats

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.arm, self.propensity, self.reward, self.target, self.predicted)
        return sum(array.nbytes for array in arrays)


def make_log(rows: int, seed: int = 0) -> Log:
    """A log with a favourite arm drawn by context and a floor of 2 % for each arm."""
    rng = np.random.default_rng(seed)
    favourite, each = rng.integers(0, ARMS, rows), np.arange(rows)
    explores = rng.random(rows) < FLOOR * ARMS
    arm = np.where(explores, rng.integers(0, ARMS, rows), favourite)
    propensity = np.where(arm == favourite, 1.0 - FLOOR * (ARMS - 1), FLOOR)
    rates = np.linspace(0.02, 0.2, ARMS)
    reward = (rng.random(rows) < rates[arm]).astype(np.float64)
    target = np.full((rows, ARMS), 0.05)
    target[each, (favourite + rng.integers(0, 2, rows)) % ARMS] = 0.55
    predicted = np.tile(rates, (rows, 1))
    return Log(arm=arm, propensity=propensity, reward=reward, target=target, predicted=predicted)


def write_parquet(path: Path, rows: int) -> None:
    """A log of so many rows, written in blocks of row groups that fit a worker."""
    import pyarrow as pa  # noqa: PLC0415 - optional
    from pyarrow import parquet  # noqa: PLC0415 - optional

    names, writer = np.array(list("abcdefghij")), None
    for block, start in enumerate(range(0, rows, 500_000)):
        log = make_log(min(500_000, rows - start), seed=block)
        chosen = log.target[np.arange(log.arm.size), log.arm]
        table = pa.table(
            {
                "arm": pa.array(names[log.arm]),
                "propensity": log.propensity,
                "reward": log.reward,
                "target.mine": chosen,
            }
        )
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=ROW_GROUP)
    if writer is not None:
        writer.close()


def write_csv(path: Path, rows: int) -> None:
    """The same log as CSV."""
    import pandas as pd  # noqa: PLC0415 - slow to import

    names = np.array(list("abcdefghij"))
    for block, start in enumerate(range(0, rows, 500_000)):
        log = make_log(min(500_000, rows - start), seed=block)
        frame = pd.DataFrame(
            {
                "arm": names[log.arm],
                "propensity": log.propensity,
                "reward": log.reward,
                "target.mine": log.target[np.arange(log.arm.size), log.arm],
            }
        )
        frame.to_csv(path, index=False, mode="a" if block else "w", header=not block)


def write_model(path: Path) -> None:
    """A model that has learned from a thousand other rows."""
    from bandit_platform.policies.vowpal import VowpalModel  # noqa: PLC0415 - slow to import

    model, log = VowpalModel.fresh("--cb_explore_adf --epsilon 0.2 --quiet"), make_log(1000, 99)
    lines = ["shared |c", *(f"|a @{arm}" for arm in "abcdefghij")]
    for arm, reward, propensity in zip(log.arm, log.reward, log.propensity, strict=True):
        model.predict_and_learn(lines, int(arm), -float(reward), float(propensity))
    path.write_bytes(model.save())
