"""Off-policy evaluation of a running experiment: its own interactions, straight from the tables.

Besides what any log can be asked, a live experiment knows two kinds of policies of its own:

- ``version:N``, a published model version. It learned from the first interactions, so it is valued
  only on those it had not learned from when it was published; where there are none, the question
  is refused, because an estimate on its own lessons would flatter it.
- ``serving`` and candidates by name, as they were at each moment: predicted before they learned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import EvaluationError, NotFoundError, PolicyError
from bandit_platform.ope.evaluation import evaluate_parts
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.plan import Options, default_policies
from bandit_platform.ope.progress import TargetSource
from bandit_platform.ope.report import EvaluationReport
from bandit_platform.ope.reward_range import Floats, RewardRange
from bandit_platform.ope.targets import Target, from_pmf
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.recompute import recompute
from bandit_platform.services.tracked import tracked_policies
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.interactions import Interaction, policy_interactions
from bandit_platform.storage.models import model_blob, versions_by_number

_VERSION = re.compile(r"version:(\d+)")
_BATCH = 5000


def evaluate_live(
    database: Database, experiment: str, policies: Sequence[str], options: Options
) -> EvaluationReport:
    """Value policies on an experiment's matured policy traffic.

    Args:
        database: where it is stored.
        experiment: key.
        policies: specifications; none for a choice that suits the experiment.
        options: baseline, alpha, estimators, interval and segments, as for a log.

    Raises:
        NotFoundError: there is no such experiment or version.
        EvaluationError: a version has learned from every interaction there is.
    """
    options.check()
    with database.read() as connection:
        spec = get_experiment(connection, experiment).spec
    asked = dict.fromkeys([*policies, *([options.baseline] if options.baseline else [])])
    start = _first_unlearned(database, experiment, list(asked))
    rows = _interactions(database, experiment)
    if start >= len(rows):
        raise EvaluationError(_refusal(list(asked), start, len(rows)))
    arms = tuple(sorted({arm for row in rows for arm in row.decision.eligible}))
    log = _log(rows[start:], arms)
    low, high = spec.reward.range
    sources = {
        **_version_sources(database, spec, list(asked), rows[start:], log),
        **_tracked_sources(database, spec, list(asked), start, log),
    }
    report = evaluate_parts(
        lambda: [log],
        tuple(policies) or default_policies(arms),
        reward_range=RewardRange(low=low, high=high),
        options=options,
        sources=sources,
    )
    return replace(report, notes=(*report.notes, *_notes(start, len(rows))))


def _first_unlearned(database: Database, experiment: str, asked: Sequence[str]) -> int:
    """How many interactions the asked-for versions had learned from, at most."""
    numbers = [int(match[1]) for name in asked if (match := _VERSION.fullmatch(name))]
    if not numbers:
        return 0
    with database.read() as connection:
        known = versions_by_number(connection, experiment)
    for number in numbers:
        if number not in known:
            raise NotFoundError(f"version {number} is not stored; there are {_range(known)}")
    return max(known[number] for number in numbers)


def _range(known: dict[int, int]) -> str:
    return f"versions {min(known)} to {max(known)}" if known else "no versions yet"


def _refusal(asked: Sequence[str], start: int, rows: int) -> str:
    if not rows:
        return "no interactions have matured yet, so nothing can be valued"
    versions = [name for name in asked if _VERSION.fullmatch(name)]
    return (
        f"{', '.join(versions)}: {start} interactions were learned from and there are only {rows}; "
        "a model may only be valued on interactions it has not learned from. Ask for an older "
        "version, or wait for more decisions to mature"
    )


def _notes(start: int, rows: int) -> tuple[str, ...]:
    if not start:
        return ()
    return (
        f"the first {start:,} of {rows:,} interactions are left out: a version asked for has "
        "learned from them",
    )


def _interactions(database: Database, experiment: str) -> list[Interaction]:
    rows: list[Interaction] = []
    with database.read() as connection:
        while batch := policy_interactions(
            connection, experiment, rows[-1].number if rows else 0, limit=_BATCH
        ):
            rows += batch
    return rows


def _log(rows: Sequence[Interaction], arms: tuple[str, ...]) -> DecisionLog:
    import pandas as pd  # noqa: PLC0415 - slow to import

    code = {arm: number for number, arm in enumerate(arms)}
    pmf = np.zeros((len(rows), len(arms)))
    for place, row in enumerate(rows):
        pmf[place, [code[arm] for arm in row.decision.eligible]] = row.decision.pmf
    contexts = [row.decision.context for row in rows]
    return DecisionLog(
        arms=arms,
        arm=np.array([code[row.decision.arm] for row in rows], dtype=np.int64),
        propensity=np.array([row.decision.propensity for row in rows]),
        reward=np.array([row.reward for row in rows]),
        eligible=pmf > 0.0,
        pmf=pmf,
        context=pd.DataFrame.from_records(contexts) if any(contexts) else None,
        unit=np.array([row.decision.unit for row in rows], dtype=object),
        moment=np.array(
            [row.decision.decided_at.replace(tzinfo=None) for row in rows], dtype="datetime64[us]"
        ),
    )


@dataclass(kw_only=True)
class _Prepared:
    """A policy whose probabilities are known for every row of the log."""

    policy: str
    pmf: Floats
    floor: float
    _next: int = 0

    def __call__(self, log: DecisionLog) -> Target:
        """The policy on the next rows."""
        rows = self.pmf[self._next : self._next + len(log)]
        self._next += len(log)
        return from_pmf(log, self.policy, rows, floor=self.floor)


def _version_sources(
    database: Database,
    spec: ExperimentSpec,
    asked: Sequence[str],
    rows: Sequence[Interaction],
    log: DecisionLog,
) -> dict[str, TargetSource]:
    found: dict[str, TargetSource] = {}
    with database.read() as connection:
        specs = {
            each.number: (FeatureText(each.spec), each.spec.policy.floor)
            for each in revisions(connection, spec.key)
        }
        for name in asked:
            match = _VERSION.fullmatch(name)
            if match is None:
                continue
            stored = model_blob(connection, spec.key, int(match[1]))
            if stored is None or blob_hash(stored[0]) != stored[1]:
                raise PolicyError(f"{name} does not have its hash")
            policy = LearnedPolicy.load(stored[0])
            pmf = np.zeros((len(log), len(log.arms)))
            for place, row in enumerate(rows):
                text, floor = specs[row.decision.revision]
                eligible = row.decision.eligible
                lines = text.lines(row.decision.context, eligible)
                pmf[place, [log.code(arm) for arm in eligible]] = policy.pmf(lines, floor)
            policy.model.close()
            found[name] = _Prepared(policy=name, pmf=pmf, floor=log.least_propensity)
    return found


def _tracked_sources(
    database: Database, spec: ExperimentSpec, asked: Sequence[str], start: int, log: DecisionLog
) -> dict[str, TargetSource]:
    learned = {policy.name for policy in tracked_policies(spec) if policy.exploration is not None}
    names = [name for name in asked if name in learned]
    if not names:
        return {}
    pmfs = {name: np.zeros((len(log), len(log.arms))) for name in names}
    for place, row in enumerate(recompute(database, spec.key), start=-start):
        if 0 <= place < len(log):
            codes = [log.code(arm) for arm in row.eligible]
            for name in names:
                pmfs[name][place, codes] = row.policies[name]
    return {
        name: _Prepared(policy=name, pmf=pmf, floor=log.least_propensity)
        for name, pmf in pmfs.items()
    }
