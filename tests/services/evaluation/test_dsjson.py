from __future__ import annotations

import json
from pathlib import Path

import pytest

from bandit_platform.errors import LogError
from bandit_platform.services.evaluation.decision_log import read_decision_log


def event(**more) -> dict:
    """A decision as Personalizer writes it: action 2 of 3 was drawn with 0.8 and earned 1."""
    return {
        "_label_cost": -1.0,
        "_label_probability": 0.8,
        "_label_Action": 2,
        "_labelIndex": 1,
        "Timestamp": "2026-01-02T03:04:05.5160000Z",
        "Version": "1",
        "EventId": "e1",
        "a": [2, 1, 3],
        "c": {
            "User": {"age": 30, "_secret": 1},
            "country": "GB",
            "_synthetic": False,
            "_multi": [
                {"_tag": "tea", "i": {"constant": 1}},
                {"_tag": "cake"},
                {"_tag": "nothing"},
            ],
        },
        "p": [0.8, 0.1, 0.1],
        "VWState": {"m": "x"},
        **more,
    }


@pytest.fixture
def write(tmp_path: Path):
    def make(*events, name: str = "log.dsjson") -> Path:
        path = tmp_path / name
        lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
        path.write_text("\n".join(lines) + "\n")
        return path

    return make


def test_a_decision_is_read(write) -> None:
    log = read_decision_log(write(event(), name="log.json")).log
    assert log.arms == ("cake", "nothing", "tea")
    assert log.arms[log.arm[0]] == "cake"
    assert log.reward.tolist() == [1.0]
    assert log.propensity.tolist() == [0.8]
    assert log.pmf is not None
    assert log.pmf.tolist() == [pytest.approx([0.8, 0.1, 0.1])]
    assert log.context is not None
    assert log.context.to_dict("list") == {"User.age": [30], "country": ["GB"]}
    assert str(log.moment[0]) == "2026-01-02T03:04:05.516000"


def test_rounded_probabilities_are_normalised(write) -> None:
    rounded = event(p=[0.333333, 0.333333, 0.333335], _label_probability=0.333333)
    log = read_decision_log(write(rounded)).log
    assert log.pmf is not None
    assert log.pmf.sum() == pytest.approx(1.0, abs=1e-12)


def test_actions_without_names_are_numbered(write) -> None:
    one = event()
    one["c"]["_multi"] = [{"f": {"x": 1}}, {"f": {"x": 2}}, {"f": {"x": 3}}]
    assert read_decision_log(write(one)).log.arms == ("action-1", "action-2", "action-3")
    one["c"]["_multi"] = [{"Action": {"PayloadID": str(i)}} for i in (7, 8, 9)]
    assert read_decision_log(write(one)).log.arms == ("7", "8", "9")


def test_decisions_never_shown_and_late_rewards_are_passed_over(write) -> None:
    shown = event(DeferredAction=True, o=[{"EventId": "e1", "DeferredAction": False}])
    path = write(
        event(),
        event(DeferredAction=True),
        shown,
        event(_skipLearn=True),
        {"RewardValue": 1.0, "EventId": "e9"},
    )
    file = read_decision_log(path)
    assert len(file.log) == 2
    assert file.passed_over == 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 2: is not valid JSON"),
        ("[]", "line 2: is not a JSON object"),
        (event(p=[0.5, 0.1, 0.1]), "line 2: .*no distribution"),
        (event(p=[0.9, 0.1]), "line 2: .*no distribution"),
        (event(_label_probability=0.5), "line 2: .*_label_probability"),
        (event(pdrop=0.5), "line 2: .*pdrop"),
        ({"_label_cost": 0, "c": {}}, "line 2: .*'_multi' is missing"),
        (event(a=[2, 1, 9]), "line 2: is not a logged decision"),
    ],
)
def test_a_bad_line_is_named_and_can_be_skipped(write, bad, message: str) -> None:
    path = write(event(), bad)
    with pytest.raises(LogError, match=message):
        read_decision_log(path)
    file = read_decision_log(path, skip_bad_rows=True)
    assert (len(file.log), file.skipped) == (1, 1)


def test_a_file_without_decisions_is_refused(write, tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no decisions"):
        read_decision_log(write({"RewardValue": 1.0}))
    with pytest.raises(LogError, match="no such file"):
        read_decision_log(tmp_path / "none.json")
