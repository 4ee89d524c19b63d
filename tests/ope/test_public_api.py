from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import bandit_platform.ope
from bandit_platform.errors import LogError
from bandit_platform.ope import DecisionLog


def test_the_example_in_the_docstring_runs() -> None:
    found = doctest.testmod(bandit_platform.ope)
    assert found.attempted > 10
    assert found.failed == 0


def test_every_public_name_is_there_and_documented() -> None:
    for name in bandit_platform.ope.__all__:
        assert getattr(bandit_platform.ope, name).__doc__, name


def test_importing_it_imports_neither_pandas_nor_scipy() -> None:
    code = "import sys, bandit_platform.ope; print(sorted({'pandas', 'scipy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_bad_frame_names_its_row_or_column() -> None:
    frame = pd.DataFrame({"arm": ["a", "b"], "propensity": [0.5, 2.0], "reward": [1.0, 0.0]})
    with pytest.raises(LogError, match="row 1: propensity 2"):
        DecisionLog.from_frame(frame)
    with pytest.raises(LogError, match="no column reward"):
        DecisionLog.from_frame(frame[["arm", "propensity"]])
    with pytest.raises(LogError, match="no rows"):
        DecisionLog.from_frame(frame.iloc[:0])


def test_lists_and_mappings_in_cells_are_read() -> None:
    frame = pd.DataFrame(
        {
            "arm": ["a", "b"],
            "reward": [1.0, 0.0],
            "pmf": [{"a": 0.25, "b": 0.75}, {"a": 0.5, "b": 0.5}],
        }
    )
    log = DecisionLog.from_frame(frame)
    assert log.propensity.tolist() == [0.25, 0.5]
    frame = pd.DataFrame(
        {
            "arm": ["a", "b"],
            "propensity": 0.5,
            "reward": [1.0, 0.0],
            "eligible_arms": [["a", "c"], np.array(["b", "c"])],
        }
    )
    log = DecisionLog.from_frame(frame)
    assert log.arms == ("a", "b", "c")
    assert log.eligible is not None
    assert log.eligible.tolist() == [[True, False, True], [False, True, True]]
