"""Target policies that a log alone defines, and their importance weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import EvaluationError, InputError
from bandit_platform.ope.logs.log import NOTHING, DecisionLog
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import CHUNK

KINDS = ("logging", "uniform", "always:<arm>", "column:<policy>")


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A target policy on the rows of one log.

    Attributes:
        policy: its specification, such as ``always:mens``.
        probability: its probability of the logged arm, shape (n,).
        weight: importance weight probability ÷ propensity, shape (n,).
        max_weight: a bound on the weight each row could have had, shape (n,).
        unsupported: rows in which the policy's choice could not be logged, shape (n,).
        pmf: its probability of every arm, shape (n, k); None where only that of the logged arm
            is known.
    """

    policy: str
    probability: Floats
    weight: Floats
    max_weight: Floats
    unsupported: npt.NDArray[np.bool_]
    pmf: Floats | None = None

    def rows(self, chosen: slice) -> Target:
        """The policy on some of the rows."""
        return Target(
            policy=self.policy,
            probability=self.probability[chosen],
            weight=self.weight[chosen],
            max_weight=self.max_weight[chosen],
            unsupported=self.unsupported[chosen],
            pmf=None if self.pmf is None else self.pmf[chosen],
        )


TargetSource = Callable[[DecisionLog], Target]
"""Gives a policy's weights on the next rows; called with all rows, once each, in order."""


def target_of(
    log: DecisionLog, policy: str, sources: Mapping[str, TargetSource], *, floor: float
) -> Target:
    """A policy on the next rows, by its source where it has one.

    Raises:
        EvaluationError: its source has another number of rows.
    """
    source = sources.get(policy)
    if source is None:
        return target(log, policy, floor=floor)
    made = source(log)
    if made.weight.shape != (len(log),):
        raise EvaluationError(f"{policy}: {made.weight.shape[0]} weights for {len(log)} rows")
    return made


def sliced(whole: Target) -> TargetSource:
    """Gives a target that was made for many rows a piece at a time."""
    done = 0

    def source(log: DecisionLog) -> Target:
        nonlocal done
        rows = slice(done, done + len(log))
        done += len(log)
        return whole.rows(rows)

    return source


def target(log: DecisionLog, policy: str, *, floor: float | None = None) -> Target:
    """The importance weights of a policy named by its specification.

    ``logging`` produced the log (weight 1). ``uniform`` draws evenly from the eligible arms.
    ``always:<arm>`` takes that arm, or ``nothing`` where the arm is not eligible and nothing is;
    where neither is, the row has weight 0 and counts as unsupported. ``column:<policy>`` reads the
    log's ``target.<policy>`` column.

    Args:
        log: the decision log.
        policy: the specification.
        floor: the least propensity the logging policy permits; None for the smallest in the log,
            which is a guess that the confidence sequences then rest on.

    Raises:
        InputError: no such kind of policy, or the log has no such column.
        EvaluationError: the log does not know the arm.
    """
    least = log.least_propensity if floor is None else floor
    kind, _, name = policy.partition(":")
    if policy == "logging":
        return _made(log, policy, log.propensity, np.broadcast_to(1.0, (len(log),)), pmf=log.pmf)
    if policy == "uniform":
        share = 1.0 / np.maximum(log.eligible_count, 1.0)
        return _made(log, policy, share, share / least, pmf=_uniform(log, share))
    if kind == "always" and name:
        return _always(log, policy, name, least)
    if kind == "column" and name:
        if name not in log.targets:
            known = ", ".join(sorted(log.targets)) or "none"
            raise InputError(f"the log has no column target.{name}; target columns: {known}")
        return _made(log, policy, log.targets[name], np.broadcast_to(1.0 / least, (len(log),)))
    raise InputError(f"unknown policy {policy!r}: give one of {', '.join(KINDS)}")


def from_pmf(log: DecisionLog, policy: str, pmf: Floats, *, floor: float | None = None) -> Target:
    """The importance weights of a policy whose whole PMF is at hand, shape (n, k).

    Raises:
        EvaluationError: the PMF's shape is wrong or a row does not sum to 1.
    """
    if pmf.shape != (len(log), len(log.arms)):
        raise EvaluationError(f"{policy}: PMF has shape {pmf.shape}")
    logged, ones = np.empty(len(log)), np.ones(len(log.arms))
    for start in range(0, len(log), CHUNK):
        rows = slice(start, start + CHUNK)
        part = pmf[rows]
        total = part @ ones  # far faster than a sum along a short axis
        if not bool((np.abs(total - 1.0) < 1e-6).all()):
            raise EvaluationError(f"{policy}: a row's probabilities do not sum to 1")
        logged[rows] = part[np.arange(len(part)), log.arm[rows]]
    least = log.least_propensity if floor is None else floor
    return _made(log, policy, logged, np.broadcast_to(1.0 / least, (len(log),)), pmf=pmf)


def _made(
    log: DecisionLog,
    policy: str,
    probability: Floats,
    max_weight: Floats,
    *,
    pmf: Floats | None = None,
    unsupported: npt.NDArray[np.bool_] | None = None,
) -> Target:
    weight = probability / log.propensity
    return Target(
        policy=policy,
        probability=probability,
        weight=weight,
        max_weight=max_weight,
        unsupported=np.zeros(len(log), dtype=np.bool_) if unsupported is None else unsupported,
        pmf=pmf,
    )


def _uniform(log: DecisionLog, share: Floats) -> Floats:
    if log.eligible is None:
        return np.broadcast_to(share[:, None], (len(log), len(log.arms)))
    return log.eligible * share[:, None]


def _always(log: DecisionLog, policy: str, arm: str, least: float) -> Target:
    code, n = log.code(arm), len(log)
    bound = np.broadcast_to(1.0 / least, (n,))
    if log.eligible is None:
        choice = np.full(n, code)
        missing = np.zeros(n, dtype=np.bool_)
    else:
        missing = ~log.eligible[:, code]
        choice = np.full(n, code)
        if NOTHING in log.arms:
            other = log.code(NOTHING)
            choice = np.where(missing & log.eligible[:, other], other, choice)
            missing = missing & ~log.eligible[:, other]
    probability = ((log.arm == choice) & ~missing).astype(np.float64)
    pmf = np.zeros((n, len(log.arms)))
    pmf[np.arange(n), choice] = ~missing
    return _made(log, policy, probability, bound, pmf=pmf, unsupported=missing)
