from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from bandit_platform.errors import InputError, LogError
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log

ARMS = {"Mens E-Mail": "mens", "Womens E-Mail": "womens", "No E-Mail": "nothing"}


@pytest.fixture(scope="module")
def hillstrom() -> pd.DataFrame:
    root = Path(__file__).parents[3]
    data = Path(os.environ.get("BANDIT_PLATFORM_DATA", root / ".." / "shared" / "data"))
    path = data / "hillstrom" / "hillstrom.csv.gz"
    if not path.exists():
        if os.environ.get("BANDIT_PLATFORM_REQUIRE_DATA") == "1":
            pytest.fail(f"{path} is required and absent")
        pytest.skip(f"{path} is absent: set BANDIT_PLATFORM_DATA to the data folder")
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def hillstrom_log(hillstrom: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hillstrom") / "log.csv"
    log = pd.DataFrame(
        {"arm": hillstrom["segment"].map(ARMS), "propensity": 1 / 3, "reward": hillstrom["visit"]}
    )
    log.to_csv(path, index=False)
    return path


def test_hillstrom_snips_is_each_arms_own_mean(hillstrom, hillstrom_log: Path) -> None:
    report = evaluate_log(EvaluationRequest(log=hillstrom_log))
    assert report.n == 64_000
    assert report.baseline == "always:nothing"
    own = hillstrom.groupby(hillstrom["segment"].map(ARMS))["visit"].mean()
    by_policy = {one.policy: one for one in report.policies}
    for arm in ARMS.values():
        one = by_policy[f"always:{arm}"]
        assert one.estimates["snips"].value == pytest.approx(own[arm], abs=1e-12)
        assert one.estimates["ips"].lower < own[arm] < one.estimates["ips"].upper
        assert one.diagnostics.verdict == "ok"
    assert by_policy["always:mens"].uplift.estimate.lower > 0.05


def test_skipped_rows_are_in_the_notes(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arm,propensity,reward\na,0.5,1\na,0.5,0\nb,7,1\nb,0.5,1\n")
    with pytest.raises(LogError, match="line 4"):
        evaluate_log(EvaluationRequest(log=path))
    report = evaluate_log(EvaluationRequest(log=path, skip_bad_rows=True))
    assert any("1 bad rows were skipped" in note for note in report.notes)


@pytest.mark.parametrize(
    "change", [{"alpha": 0.0}, {"alpha": 1.0}, {"floor": 0.0}, {"reward_range": (1.0, 0.0)}]
)
def test_impossible_options_are_refused(tmp_path: Path, change) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arm,propensity,reward\na,0.5,1\n")
    with pytest.raises(InputError):
        evaluate_log(EvaluationRequest(log=path, **change))


def test_hillstrom_covers_every_arm_in_any_order(hillstrom, tmp_path: Path) -> None:
    own = hillstrom.groupby(hillstrom["segment"].map(ARMS))["visit"].mean()
    for seed in range(5):
        rows = hillstrom.sample(frac=1.0, random_state=seed)
        path = tmp_path / "log.csv"
        pd.DataFrame(
            {"arm": rows["segment"].map(ARMS), "propensity": 1 / 3, "reward": rows["visit"]}
        ).to_csv(path, index=False)
        report = evaluate_log(
            EvaluationRequest(log=path, policies=[f"always:{arm}" for arm in ARMS.values()])
        )
        for one in report.policies:
            mean = own[one.policy.removeprefix("always:")]
            for name in ("ips", "dr"):
                assert one.estimates[name].lower < mean < one.estimates[name].upper
            assert one.diagnostics.verdict == "ok", one.diagnostics.why


def data_file() -> Path:
    root = Path(__file__).parents[3]
    data = Path(os.environ.get("BANDIT_PLATFORM_DATA", root / ".." / "shared" / "data"))
    return data / "hillstrom" / "hillstrom.csv.gz"


def test_hillstrom_by_segment_through_its_experiment(hillstrom) -> None:
    folder = Path(__file__).parents[3] / "experiments" / "hillstrom_email"
    report = evaluate_log(
        EvaluationRequest(
            log=data_file(), experiment=folder, policies=["always:mens"], by=["context.mens"]
        )
    )
    one = report.policies[0]
    assert one.uplift.estimate.lower > 0.06
    assert {segment.level for segment in one.segments} == {"False", "True"}
    for segment in one.segments:
        assert segment.uplift.lower > 0.03
        assert segment.diagnostics.verdict == "ok"


def test_hillstrom_at_a_cost_nothing_wins(hillstrom) -> None:
    folder = Path(__file__).parents[3] / "experiments" / "hillstrom_email_costly"
    report = evaluate_log(EvaluationRequest(log=data_file(), experiment=folder))
    assert report.reward_range.low == -0.1
    for one in report.policies:
        if one.policy != "always:nothing":
            assert one.uplift.estimate.upper < 0, one.policy
