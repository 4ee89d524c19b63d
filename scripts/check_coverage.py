"""Time-uniform miscoverage of every interval called a confidence sequence, and a negative control.

Simulates logs with a known truth under loggers that are fixed, learn while logging, face drifting
rewards, and lower their floor; checks the bounds after *every* row. A confidence sequence must
fail in at most 5 % of the runs (plus Monte-Carlo slack); a normal or bootstrap interval that is
looked at again and again must fail far more often, or this check could not see a failure.

    python scripts/check_coverage.py --runs 1000 --rows 5000
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.estimators.normal import quantile
from bandit_platform.ope.sequences.asymptotic import LARGEST_SHARE, LEAST_ROWS, asymptotic_reach
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Settings
from bandit_platform.ope.sequences.dr_sequence import DrSequence, ModelSpan
from bandit_platform.ope.sequences.tuning import TuningSums

Floats = npt.NDArray[np.float64]
ALPHA = 0.05
RATES = np.array([0.02, 0.04, 0.06, 0.08, 0.10])
FLOOR = 0.065
TARGET, BASELINE = 4, 0


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Simulated logs, one run a row: each array has shape (runs, rows).

    Attributes:
        arm: logged arm.
        propensity: probability of the logged arm.
        reward: 0 or 1.
        rates: true reward rate of every arm at each row, shape (rows, arms).
        bound: greatest weight that each row permits, shape (rows,).
    """

    arm: npt.NDArray[np.int64]
    propensity: Floats
    reward: Floats
    rates: Floats
    bound: Floats


def fixed_rates(rows: int) -> Floats:
    """The same rates at every row."""
    return np.tile(RATES, (rows, 1))


def drifting_rates(rows: int) -> Floats:
    """Rates that swing by half, each arm with its own phase."""
    phase = np.arange(RATES.size)[None, :]
    swing = np.sin(2.0 * np.pi * np.arange(rows)[:, None] / 1500.0 + phase)
    return RATES * (1.0 + 0.5 * swing)


def simulate(
    rng: np.random.Generator, *, runs: int, rates: Floats, learns: bool, floor: Floats
) -> Runs:
    """Draw logs from a logger with a floor on each arm.

    The logger that learns puts its remaining mass on the arm with the best mean so far; the fixed
    one on an arm that a context draws.

    Args:
        rng: the randomness.
        runs: how many logs.
        rates: reward rate of every arm at each row, shape (rows, arms).
        learns: the logger learns.
        floor: least propensity at each row, shape (rows,).
    """
    rows, arms = rates.shape
    arm = np.empty((runs, rows), dtype=np.int64)
    propensity, reward = np.empty((runs, rows)), np.empty((runs, rows))
    shown, won, each = np.ones((runs, arms)), np.zeros((runs, arms)), np.arange(runs)
    for row in range(rows):
        best = (won / shown).argmax(1) if learns else rng.integers(0, arms, runs)
        pmf = np.full((runs, arms), floor[row])
        pmf[each, best] += 1.0 - floor[row] * arms
        drawn = (pmf.cumsum(1) < rng.random((runs, 1))).sum(1).clip(max=arms - 1)
        paid = (rng.random(runs) < rates[row, drawn]).astype(np.float64)
        shown[each, drawn] += 1.0
        won[each, drawn] += paid
        arm[:, row], propensity[:, row], reward[:, row] = drawn, pmf[each, drawn], paid
    return Runs(arm=arm, propensity=propensity, reward=reward, rates=rates, bound=1.0 / floor)


def constant_floor(rows: int) -> Floats:
    """The same floor at every row."""
    return np.full(rows, FLOOR)


def lowered_floor(rows: int) -> Floats:
    """A floor that is halved twice, so that the weight bound doubles."""
    return FLOOR * np.repeat([2.0, 1.0, 0.5], [rows // 3, rows // 3, rows - 2 * (rows // 3)])


LOGGERS: dict[str, Callable[[np.random.Generator, int, int], Runs]] = {
    "iid": lambda rng, runs, rows: simulate(
        rng, runs=runs, rates=fixed_rates(rows), learns=False, floor=constant_floor(rows)
    ),
    "adaptive": lambda rng, runs, rows: simulate(
        rng, runs=runs, rates=fixed_rates(rows), learns=True, floor=constant_floor(rows)
    ),
    "drifting": lambda rng, runs, rows: simulate(
        rng, runs=runs, rates=drifting_rates(rows), learns=True, floor=constant_floor(rows)
    ),
    "growing": lambda rng, runs, rows: simulate(
        rng, runs=runs, rates=fixed_rates(rows), learns=True, floor=lowered_floor(rows)
    ),
}


def gains(runs: Runs, uplift: bool) -> tuple[Floats, Floats]:
    """The factor before the reward (w, or w₁ - w₂) and the true value (or uplift) at each row."""
    gain = (runs.arm == TARGET) / runs.propensity
    truth = runs.rates[:, TARGET]
    if not uplift:
        return gain, truth
    return gain - (runs.arm == BASELINE) / runs.propensity, truth - runs.rates[:, BASELINE]


@dataclass(frozen=True, kw_only=True)
class Misses:
    """What became of one kind of interval over all runs.

    Attributes:
        missed: runs in which it ever excluded the running truth.
        width: mean width after the last row.
    """

    missed: int
    width: float


def running(truth: Floats) -> Floats:
    """The running average of the truth."""
    return np.cumsum(truth) / np.arange(1.0, truth.size + 1.0)


def outside(past: Floats, lower: Floats, upper: Floats) -> bool:
    """The truth was outside the bounds at some row."""
    return bool(((past < lower) | (past > upper)).any())


def sequence_misses(runs: Runs, *, uplift: bool, tuning_rows: int) -> dict[str, Misses]:
    """The offset confidence sequence, and the asymptotic one from the same sums."""
    gain, truth = gains(runs, uplift)
    rows = gain.shape[1]
    bound = runs.bound
    second = bound if uplift else np.zeros(rows)
    past = running(truth[tuning_rows:])
    settings = Settings(
        kind="uplift" if uplift else "value", tuning_rows=tuning_rows, horizon=rows, alpha=ALPHA
    )
    reach = asymptotic_reaches(past.size, horizon=rows)
    missed, late, width, narrow = 0, 0, 0.0, 0.0
    for one, paid in zip(gain, runs.reward, strict=True):
        lower, upper, z, v = as_shown(
            ConfidenceSequence(settings=settings), one, paid, bound, second
        )
        count = np.arange(1.0, z.size + 1.0)
        missed += outside(past, lower, upper)
        width += float(upper[-1] - lower[-1]) / gain.shape[0]
        shown = burnt_in_at(v)
        half = reach * np.sqrt(v / count)
        late += outside(past[shown], (z / count - half)[shown], (z / count + half)[shown])
        narrow += 2.0 * float(half[-1]) / gain.shape[0]
    return {
        "confidence-sequence": Misses(missed=missed, width=width),
        "asymptotic-cs": Misses(missed=late, width=narrow),
    }


def as_shown(
    state: ConfidenceSequence, gain: Floats, paid: Floats, bound: Floats, second: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Bounds after each row as they stood then, with the weight bound then, and ΣZ, Σ(Z - Ẑ)²."""
    cuts = [0, *(np.flatnonzero(np.diff(bound)) + 1), bound.size]
    parts = []
    for start, end in pairwise(cuts):
        rows = slice(start, end)
        before = state.stream.n
        state, z, v = state.walked(gain[rows], paid[rows], bound[rows], second[rows])
        count = np.arange(before + 1.0, before + z.size + 1.0)
        parts.append((*state.curve(count, z, v), z, v))
    lower, upper, z, v = (np.concatenate(column) for column in zip(*parts, strict=True))
    return lower, upper, z, v


def asymptotic_reaches(rows: int, *, horizon: int) -> Floats:
    """The asymptotic sequence's reach after each row."""
    return np.array([asymptotic_reach(t, alpha=ALPHA, best_at=horizon) for t in range(1, rows + 1)])


def burnt_in_at(v: Floats) -> npt.NDArray[np.bool_]:
    """After which rows the asymptotic sequence is shown (see ``asymptotic.burnt_in``)."""
    peak = np.maximum.accumulate(np.diff(v, prepend=0.0))
    return (np.arange(1, v.size + 1) >= LEAST_ROWS) & (peak <= LARGEST_SHARE * v)


def doubly_robust_misses(runs: Runs, *, uplift: bool, tuning_rows: int) -> Misses:
    """The doubly robust confidence sequence with each arm's mean reward so far as the model."""
    gain, truth = gains(runs, uplift)
    rows = gain.shape[1]
    past = running(truth[tuning_rows:])
    missed, width = 0, 0.0
    for one, arm, paid in zip(gain, runs.arm, runs.reward, strict=True):
        means, ends = arm_means(arm, paid, tuning_rows)
        span = ModelSpan.of(np.tile(means[0], (tuning_rows, 1)))
        outcome = np.empty(rows)
        for model, (start, end) in zip(means, ends, strict=True):
            q = np.clip(model, span.low, span.high)
            direct = q[TARGET] - (q[BASELINE] if uplift else 0.0)
            outcome[start:end] = direct + one[start:end] * (paid - q[arm])[start:end]
        tuned = TuningSums().updated(one[:tuning_rows], (paid - means[0][arm])[:tuning_rows])
        state = DrSequence(
            uplift=uplift,
            alpha=ALPHA,
            horizon=rows,
            bound=float(runs.bound.max()),
            baseline_bound=float(runs.bound.max()) if uplift else 0.0,
        ).started(span, variance=tuned.variance(offset=0.0), start=float(means[0][TARGET]))
        state, z, v = state.walked(outcome[tuning_rows:])
        lower, upper = state.curve(np.arange(1.0, z.size + 1.0), z, v)
        missed += outside(past, lower, upper)
        width += float(upper[-1] - lower[-1]) / gain.shape[0]
    return Misses(missed=missed, width=width)


def arm_means(
    arm: npt.NDArray[np.int64], paid: Floats, first: int
) -> tuple[list[Floats], list[tuple[int, int]]]:
    """Each arm's mean reward (drawn to 0.06 as by ten rows), refitted as the rows double."""
    means, ends, at = [], [], first
    while at < arm.size:
        shown = np.bincount(arm[:at], minlength=RATES.size)
        won = np.bincount(arm[:at], weights=paid[:at], minlength=RATES.size)
        means.append((won + 0.6) / (shown + 10.0))
        ends.append((at, min(2 * at, arm.size)))
        at *= 2
    return means, ends


def peeks(rows: int) -> npt.NDArray[np.intp]:
    """The 60 rows after which the impatient analyst looks."""
    return np.unique(np.linspace(min(200, rows // 4), rows, 60).astype(np.intp)) - 1


def normal_misses(runs: Runs, *, uplift: bool) -> int:
    """Runs in which a normal interval, looked at 60 times, ever excluded the running truth."""
    gain, truth = gains(runs, uplift)
    looks = peeks(gain.shape[1])
    outcome, count = gain * runs.reward, looks + 1.0
    mean = outcome.cumsum(1)[:, looks] / count
    square = (outcome**2).cumsum(1)[:, looks] / count
    reach = quantile(ALPHA) * np.sqrt(np.maximum(square - mean**2, 0.0) / count)
    past = truth.cumsum()[looks] / count
    return int((np.abs(mean - past) > reach).any(1).sum())


def bootstrap_misses(
    runs: Runs, *, uplift: bool, rng: np.random.Generator, resamples: int = 200
) -> int:
    """As :func:`normal_misses` with a percentile (Poisson) bootstrap interval."""
    gain, truth = gains(runs, uplift)
    looks = peeks(gain.shape[1])
    past = truth.cumsum()[looks] / (looks + 1.0)
    missed = 0
    for outcome in gain * runs.reward:
        paid = np.flatnonzero(outcome)  # rows worth 0 enter through their number alone
        block = np.searchsorted(looks, paid)
        copies = rng.poisson(1.0, (resamples, paid.size)).astype(np.float64)
        others = np.diff(looks, prepend=-1) - np.bincount(block, minlength=looks.size)
        sums, sizes = np.zeros((2, resamples, looks.size))
        np.add.at(sums, (slice(None), block), copies * outcome[paid])
        np.add.at(sizes, (slice(None), block), copies)
        sizes += rng.poisson(others.astype(np.float64), sizes.shape)
        means = sums.cumsum(1) / np.maximum(sizes.cumsum(1), 1)
        low, high = np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
        missed += bool(((past < low) | (past > high)).any())
    return missed


def check(*, runs: int, rows: int, tuning_rows: int, seed: int) -> list[dict[str, object]]:
    """One line per logger, estimand and interval, with its miscoverage and whether it passes."""
    slack = 3.0 * math.sqrt(ALPHA * (1.0 - ALPHA) / runs)
    found: list[dict[str, object]] = []

    def note(logger: str, estimand: str, interval: str, missed: int, **more: float) -> None:
        rate, control = missed / runs, interval.startswith("peeked")
        good = rate > ALPHA + slack if control else rate <= ALPHA + slack
        line = {"logger": logger, "estimand": estimand, "interval": interval}
        found.append({**line, "miscoverage": rate, "passes": good, **more})

    for at, (logger, draw) in enumerate(LOGGERS.items()):
        rng = np.random.default_rng([seed, at])
        logs = draw(rng, runs, rows)
        for uplift in (False, True):
            what = "uplift" if uplift else "value"
            both = sequence_misses(logs, uplift=uplift, tuning_rows=tuning_rows)
            modelled = doubly_robust_misses(logs, uplift=uplift, tuning_rows=tuning_rows)
            for interval, one in (*both.items(), ("dr confidence-sequence", modelled)):
                note(logger, what, interval, one.missed, width=one.width)
            if logger == "iid":
                note(logger, what, "peeked normal", normal_misses(logs, uplift=uplift))
                resampled = bootstrap_misses(logs, uplift=uplift, rng=rng)
                note(logger, what, "peeked bootstrap", resampled)
    return found


def main() -> int:
    """Print the table; 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--tuning-rows", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    found = check(runs=asked.runs, rows=asked.rows, tuning_rows=asked.tuning_rows, seed=asked.seed)
    if asked.format == "json":
        print(json.dumps(found, indent=2))
    else:
        for line in found:
            passes = "ok" if line["passes"] else "FAILED"
            width = f"width {line['width']:.4f}" if "width" in line else ""
            print(
                f"{line['logger']:10} {line['estimand']:7} {line['interval']:23} "
                f"{line['miscoverage']:.4f}  {passes:6}  {width}"
            )
    return 0 if all(line["passes"] for line in found) else 1


if __name__ == "__main__":
    sys.exit(main())
