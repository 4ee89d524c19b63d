"""Measure learning of one policy against a bare loop over the same Vowpal Wabbit text.

Both take the same interactions in turns, again and again. *Bare* is one workspace of the binding
that predicts and learns from texts, labels included, that were made before the clock started.
*One policy* is what the worker does with a policy that is new in a running experiment: it reads the
stored rows, checks each, makes its text, predicts, learns, values the policy, and commits
model, accumulators and cursor every 4,000 rows. *The whole leaderboard* is every policy with
metrics, segments and comparisons, which is what the worker does with rows that have just matured.

The bare loop calls the binding as its documentation does. A loop on the compiled half of the
binding, which the platform uses, is about four times as fast.

    python scripts/bench_learning.py --interactions 20000
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from vowpalwabbit import Workspace

from bandit_platform.bootstrap import Platform, build, utc_now
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.policy_spec import Candidate, Exploration
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.policies.arguments import model_hash, policy_hash, vowpal_arguments
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import cost_of
from bandit_platform.policies.stored_model import unpack
from bandit_platform.services.learning.learn import Learner
from bandit_platform.services.working.rounds import spare_what_is_loaded
from bandit_platform.settings import Settings
from bandit_platform.simulation.bulk import CONTEXT, Bulk, fill
from bandit_platform.storage.interactions import policy_interactions
from bandit_platform.storage.lease import take_lease
from bandit_platform.storage.models import model_state
from bandit_platform.storage.policy_states import policy_states, remove_policy_states

KEY = "learning"
HOLDER = "bench"
NEWCOMER = "newcomer"
LEAST = 0.6


@dataclass(frozen=True, kw_only=True)
class Found:
    """Rows a second with a number of arms, medians of the repeats."""

    arms: int
    bare: float
    one_policy: float
    #: median of the repeats' own ratios
    ratio: float
    leaderboard: float
    policies: int

    @property
    def met(self) -> bool:
        """The limit is kept."""
        return self.ratio >= LEAST


def tables(arms: int) -> dict[str, Any]:
    """The experiment, with a candidate that comes to interactions that are there already."""
    return {
        "key": KEY,
        "placement": "confirmation",
        "context": CONTEXT,
        "arms": [
            {"key": f"offer-{n}", "features": {"price": 5.0 + n}, "offer": {"title": f"Offer {n}"}}
            for n in range(arms - 1)
        ],
        "reward": {"window": "60s", "range": [0.0, 1.0], "accept": 1.0},
        "holdout": {"share": 0.0},
        "candidates": [{"name": NEWCOMER, "exploration": "squarecb", "learning_rate": 0.06}],
    }


def labelled_texts(platform: Platform, spec: ExperimentSpec) -> list[str]:
    """What a bare loop learns from, in order."""
    text, made, cursor = FeatureText(spec), [], 0
    while True:
        with platform.database.read() as connection:
            batch = policy_interactions(connection, KEY, cursor, limit=5000)
        if not batch:
            return made
        cursor = batch[-1].number
        for each in batch:
            decision = each.decision
            lines = text.lines(decision.context, decision.eligible)
            drawn = 1 + decision.eligible.index(decision.arm)
            cost = cost_of(each.reward, spec)
            lines[drawn] = f"0:{cost:.9g}:1 {lines[drawn]}"
            made.append("\n".join(lines))


def bare(texts: list[str], exploration: Exploration) -> tuple[float, bytes]:
    """Rows a second of the binding alone, and the model it ends with."""
    workspace = Workspace(vowpal_arguments(exploration))
    began = time.perf_counter()
    for text in texts:
        example = workspace.parse(text)
        workspace.predict(example)
        workspace.learn(example)
        workspace.finish_example(example)
    rate = len(texts) / (time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model"
        workspace.save(str(path))
        workspace.finish()
        return rate, path.read_bytes()


def learn_all(platform: Platform, rows: int) -> float:
    """Rows a second until every policy has taken in every interaction."""
    learner = Learner(platform.database, HOLDER)
    with platform.database.write() as connection:
        take_lease(connection, HOLDER, utc_now(), timedelta(hours=1))
    taken, began = 0, time.perf_counter()
    while more := learner.learn(KEY, utc_now()).taken:
        taken += more
    spent = time.perf_counter() - began
    if taken != rows:
        raise SystemExit(f"{taken} of {rows} interactions were taken in")
    return rows / spent


def forget_newcomer(platform: Platform, newcomer: Candidate) -> None:
    """Let the candidate begin anew."""
    with platform.database.write() as connection:
        remove_policy_states(connection, KEY, {policy_hash(newcomer)})


def measure(arms: int, rows: int, repeats: int) -> Found:
    """Both sides in turns, on one database."""
    with tempfile.TemporaryDirectory(prefix="bandit-platform-learning-") as name:
        platform = build(Settings(data_dir=Path(name)))
        with closing(platform.database):
            platform.apply_experiment(parse_tables(tables(arms)))
            platform.change_state(KEY, Action.START)
            spec = platform.experiments.get(KEY).spec
            for _ in fill(platform.database, Bulk(spec=spec, decisions=rows, until=utc_now())):
                pass
            spare_what_is_loaded()  # as the worker does when it begins
            leaderboard = learn_all(platform, rows)
            texts, pairs = labelled_texts(platform, spec), []
            for _ in range(repeats):
                rate, model = bare(texts, spec.candidates[0])
                forget_newcomer(platform, spec.candidates[0])
                pairs.append((rate, learn_all(platform, rows)))
                demand_equal(platform, spec.candidates[0], model)
            with platform.database.read() as connection:
                policies = len(policy_states(connection, KEY))
    return Found(
        arms=arms,
        bare=statistics.median(first for first, _ in pairs),
        one_policy=statistics.median(second for _, second in pairs),
        ratio=statistics.median(second / first for first, second in pairs),
        leaderboard=leaderboard,
        policies=policies,
    )


def demand_equal(platform: Platform, newcomer: Candidate, model: bytes) -> None:
    """Both sides must have learned the very same, or there is nothing to compare."""
    with platform.database.read() as connection:
        ours = model_state(connection, KEY, model_hash(newcomer))
    if ours is None or unpack(ours.blob)[1] != model:
        raise SystemExit("the bare loop learned another model")


def main() -> int:
    """Measure and print; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--interactions", type=int, default=20_000)
    parser.add_argument("--arms", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    found = [measure(arms, asked.interactions, asked.repeats) for arms in asked.arms]
    if asked.format == "json":
        told = [{**vars(one), "least": LEAST, "met": one.met} for one in found]
        print(json.dumps(told, indent=2))
    else:
        for one in found:
            met = "met" if one.met else "NOT MET"
            print(
                f"{one.arms:3} arms: bare {one.bare:8,.0f} rows/s, one policy "
                f"{one.one_policy:8,.0f}, ratio {one.ratio:.2f}, at least {LEAST:g}   {met}\n"
                f"          the whole leaderboard of {one.policies}: {one.leaderboard:,.0f} rows/s"
            )
    return 0 if all(one.met for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
