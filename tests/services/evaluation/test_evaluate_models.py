"""Models as target policies: learned progressively, loaded, and refused in sample."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bandit_platform.errors import EvaluationError, InputError, PolicyArgumentsError
from bandit_platform.ope import DecisionLog, RewardRange
from bandit_platform.policies.vowpal import VowpalModel
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.learned_targets import model_sources

UNIT = RewardRange(low=0, high=1)
PLAIN = "learn:--cb_explore_adf --epsilon 0.1 --interactions ca"


def frame(n: int = 3000) -> pd.DataFrame:
    """Uniform log of two arms; which of them pays depends on the context."""
    rng = np.random.default_rng(0)
    kind, arm = rng.choice(["new", "old"], n), rng.choice(["a", "b"], n)
    rate = np.where((kind == "new") == (arm == "a"), 0.8, 0.1)
    return pd.DataFrame(
        {
            "arm": arm,
            "propensity": 0.5,
            "reward": (rng.random(n) < rate).astype(float),
            "decided_at": pd.date_range("2026-01-01", periods=n, freq="min", tz="UTC").map(
                lambda moment: moment.isoformat()
            ),
            "context.kind": kind,
        }
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    frame().to_csv(path, index=False)
    return path


@pytest.mark.parametrize("policy", ["learn:epsilon_greedy", PLAIN])
def test_a_learned_policy_beats_every_arm(log: Path, policy: str) -> None:
    report = evaluate_log(
        EvaluationRequest(log=log, policies=(policy, "always:a"), baseline="uniform")
    )
    learned, fixed = report.policies
    assert learned.estimates["ips"].lower > fixed.estimates["ips"].value
    assert learned.uplift.estimate.lower > 0.1
    assert learned.diagnostics.verdict == "ok", learned.diagnostics.why
    assert learned.estimates["dr"].value == pytest.approx(learned.estimates["ips"].value, abs=0.05)


def test_a_row_is_predicted_before_it_is_learned() -> None:
    """Changing a row's reward changes no prediction up to and with that row."""
    rows = frame(300)
    arm = (rows["arm"] == "b").to_numpy().astype(np.int64)

    def predictions(reward: np.ndarray) -> np.ndarray:
        source = model_sources((PLAIN,), floor=0.5, scale=UNIT, spec=None)[PLAIN]
        pmf = source(
            DecisionLog(
                arms=("a", "b"),
                arm=arm,
                propensity=np.full(300, 0.5),
                reward=reward,
                context=rows[["context.kind"]],
            )
        ).pmf
        assert pmf is not None
        return pmf

    reward = rows["reward"].to_numpy()
    turned = np.where(np.arange(300) < 100, reward, 1 - reward)
    first, second = predictions(reward), predictions(turned)
    assert (first[:101] == second[:101]).all()
    assert not (first[150:] == second[150:]).all()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that learned from 2,000 other rows."""
    made = VowpalModel.fresh("--cb_explore_adf --epsilon 0.1 --interactions ca --quiet")
    for arm, reward, kind in frame(2000)[["arm", "reward", "context.kind"]].itertuples(index=False):
        lines = [f"shared |c kind={kind}", "|a @a", "|a @b"]
        made.predict_and_learn(lines, "ab".index(arm), -reward, 0.5)
    path = tmp_path_factory.mktemp("model") / "model.vw"
    path.write_bytes(made.save())
    return path


def test_a_model_is_valued_only_out_of_sample(log: Path, model: Path) -> None:
    policy = f"model:{model}"
    with pytest.raises(InputError, match="not learned from"):
        evaluate_log(EvaluationRequest(log=log, policies=(policy,)))
    later = evaluate_log(
        EvaluationRequest(
            log=log, policies=(policy,), trained_until=datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
        )
    )
    assert later.n == 3000 - 601
    assert any("only rows decided after" in note for note in later.notes)
    declared = evaluate_log(EvaluationRequest(log=log, policies=(policy,), held_out=True))
    assert declared.policies[0].uplift.estimate.lower > 0.1
    assert any("--held-out" in note for note in declared.notes)


def test_choosing_by_time_needs_times(log: Path, model: Path, tmp_path: Path) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    request = EvaluationRequest(log=log, policies=(f"model:{model}",), trained_until=until)
    with pytest.raises(EvaluationError, match="no rows"):
        evaluate_log(request)
    plain = tmp_path / "plain.csv"
    frame(50).drop(columns="decided_at").to_csv(plain, index=False)
    with pytest.raises(InputError, match="decided_at"):
        evaluate_log(
            EvaluationRequest(log=plain, policies=(f"model:{model}",), trained_until=until)
        )


@pytest.mark.parametrize(
    "policy",
    [
        "learn:cleverness",
        "learn:",
        "learn:--cb_explore 2",
        "learn:--cb_explore_adf -f /tmp/stolen",
        "learn:--cb_explore_adf --final_regressor=/tmp/stolen",
        "learn:--cb_explore_adf --no_such_option",
    ],
)
def test_arguments_that_are_no_policy_are_refused(log: Path, policy: str) -> None:
    with pytest.raises(PolicyArgumentsError):
        evaluate_log(EvaluationRequest(log=log, policies=(policy,)))


def test_a_file_that_is_no_model_is_refused(log: Path) -> None:
    for policy in (f"model:{log}", "model:/nowhere/model.vw"):
        with pytest.raises(InputError, match="model:"):
            evaluate_log(EvaluationRequest(log=log, policies=(policy,), held_out=True))
