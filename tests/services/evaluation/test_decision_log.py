from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bandit_platform.errors import LogError
from bandit_platform.services.evaluation.decision_log import read_decision_log

GOOD = "arm,propensity,reward\na,0.5,1\nnothing,0.25,0\n"


@pytest.fixture
def write(tmp_path: Path):
    def make(text: str, name: str = "log.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def test_the_least_log(write) -> None:
    log = read_decision_log(write(GOOD)).log
    assert log.arms == ("a", "nothing")
    assert log.arm.tolist() == [0, 1]
    assert log.propensity.tolist() == [0.5, 0.25]
    assert log.reward.tolist() == [1, 0]
    assert log.eligible is None
    assert log.context is None


def test_gzip_and_parquet_say_the_same(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write(GOOD)
    frame = pd.DataFrame({"arm": ["a", "nothing"], "propensity": [0.5, 0.25], "reward": [1, 0]})
    frame.to_parquet(tmp_path / "log.parquet")
    for name in ("log.csv.gz", "log.parquet"):
        log = read_decision_log(tmp_path / name).log
        assert log.arms == ("a", "nothing")
        assert log.reward.tolist() == [1, 0]


def test_rows_are_taken_in_the_order_of_the_decisions(write) -> None:
    text = (
        "arm,propensity,reward,decided_at\n"
        "a,0.5,1,2026-01-02T00:00:00Z\n"
        "b,0.5,2,2026-01-01T00:00:00+00:00\n"
        "c,0.5,3,2026-01-01T00:00:00.5Z\n"
    )
    assert read_decision_log(write(text)).log.reward.tolist() == [2, 3, 1]


def test_optional_columns(write) -> None:
    text = (
        "arm,propensity,reward,eligible_arms,target.new,context.country,context.n,unit_id\n"
        'a,0.5,1,"[""a"",""b""]",0.1,GB,1,u1\n'
        'b,0.5,0,"[""b"",""c""]",0.9,US,2,u2\n'
    )
    log = read_decision_log(write(text)).log
    assert log.arms == ("a", "b", "c")
    assert log.eligible is not None
    assert log.eligible.tolist() == [[True, True, False], [False, True, True]]
    assert log.targets["new"].tolist() == [0.1, 0.9]
    assert log.context is not None
    assert log.context["country"].tolist() == ["GB", "US"]
    assert log.context["n"].tolist() == [1, 2]
    assert log.unit is not None
    assert log.pmf is None


def test_a_pmf_gives_eligibility_and_propensity(write) -> None:
    text = 'arm,reward,pmf\na,1,"{""a"":0.7,""b"":0.3}"\nc,0,"{""c"":1}"\n'
    log = read_decision_log(write(text)).log
    assert log.propensity.tolist() == [0.7, 1.0]
    assert log.pmf is not None
    assert log.pmf.tolist() == [[0.7, 0.3, 0.0], [0.0, 0.0, 1.0]]
    assert log.least_propensity == 0.3


@pytest.mark.parametrize("arm", ["1", "None", "NA", "nan", "true"])
def test_arm_names_stay_text(write, arm: str) -> None:
    assert read_decision_log(write(f"arm,propensity,reward\n{arm},0.5,1\n")).log.arms == (arm,)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0,1,", r"line 3: propensity 0 is not in \(0, 1\]"),
        ("a,1.5,1,", r"line 3: propensity 1.5 is not in \(0, 1\]"),
        ("a,x,1,", "line 3: propensity 'x' is not a finite number"),
        ("a,,1,", "line 3: propensity is missing"),
        ("a,0.5,inf,", "line 3: reward 'inf' is not a finite number"),
        (",0.5,1,", "line 3: the arm is missing"),
        ('a,0.5,1,"[""b""]"', "line 3: the logged arm is not among"),
        ('a,0.5,1,"[b]"', "line 3: eligible_arms is not valid JSON"),
        ('a,0.5,1,"{""a"":1}"', "line 3: eligible_arms is not a JSON list"),
    ],
)
def test_a_bad_row_names_its_file_and_line(write, row: str, message: str) -> None:
    head = 'arm,propensity,reward,eligible_arms\na,0.5,1,"[""a""]"\n'
    path = write(head + row + "\n")
    with pytest.raises(LogError, match=message) as caught:
        read_decision_log(path)
    if row.endswith(","):
        return
    assert str(path) in str(caught.value)


def test_the_line_counts_quoted_line_breaks(write) -> None:
    text = 'arm,propensity,reward\n"a\nb",0.5,1\na,2,1\n'
    with pytest.raises(LogError, match="line 4: propensity 2"):
        read_decision_log(write(text))


@pytest.mark.parametrize(
    ("pmf", "message"),
    [
        ('{""a"":0.7,""b"":0.7}', "sums to 1.4"),
        ('{""a"":0.6,""b"":0.4}', "not the PMF's probability"),
        ('{""b"":1.0}', "not among"),
        ('{""a"":""x""}', "other than probabilities"),
        ("[]", "not a JSON object"),
    ],
)
def test_a_pmf_that_contradicts_itself_is_refused(write, pmf: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        read_decision_log(write(f'arm,propensity,reward,pmf\na,0.5,1,"{pmf}"\n'))


def test_a_moment_that_is_none_is_refused(write) -> None:
    with pytest.raises(LogError, match="line 2: decided_at 'yesterday'"):
        read_decision_log(write("arm,propensity,reward,decided_at\na,0.5,1,yesterday\n"))


def test_bad_rows_can_be_skipped_and_are_counted(write) -> None:
    file = read_decision_log(write(GOOD + "a,7,1\na,0.5,x\n"), skip_bad_rows=True)
    assert len(file.log) == 2
    assert file.skipped == 2
    assert "line 4: propensity 7" in file.first_problem


def test_missing_columns_are_named(write) -> None:
    with pytest.raises(LogError, match=r"missing column propensity, reward \(the file has arm, x"):
        read_decision_log(write("arm,x\na,1\n"))


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.parquet", "log.txt"])
def test_unreadable_files_are_refused(write, name: str) -> None:
    with pytest.raises(LogError, match=name):
        read_decision_log(write("", name))


def test_no_file_and_no_rows(write, tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such file"):
        read_decision_log(tmp_path / "none.csv")
    with pytest.raises(LogError, match="no rows"):
        read_decision_log(write("arm,propensity,reward\n"))


def test_parquet_says_the_row(tmp_path: Path) -> None:
    frame = pd.DataFrame({"arm": ["a", "b"], "propensity": [0.5, np.nan], "reward": [1.0, 0.0]})
    frame.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(LogError, match="row 2: propensity is missing"):
        read_decision_log(tmp_path / "log.parquet")
