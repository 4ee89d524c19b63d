"""Sets in decision logs: how cells are read, cut into segments and seen by reward models."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.errors import InputError
from bandit_platform.ope.estimators.features import Encoder
from bandit_platform.ope.logs.frame import log_of
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.segments import Segmenter
from bandit_platform.ope.logs.sets import set_of


def log(cells: list[Any], **more: list[Any]) -> DecisionLog:
    rows = len(cells)
    columns = {f"context.{name}": values for name, values in {"cart": cells, **more}.items()}
    return log_of(pd.DataFrame({"arm": ["a"] * rows, "propensity": 0.5, "reward": 0.0, **columns}))


@given(st.lists(st.text(max_size=8), max_size=6))
def test_a_set_is_read_from_json_and_from_lists(texts: list[str]) -> None:
    expected = tuple(sorted(set(texts)))
    assert set_of(json.dumps(texts)) == expected
    assert set_of(texts) == expected
    assert set_of(np.array(texts, dtype=object)) == expected


@pytest.mark.parametrize("cell", ["[", "[1]", '["a", 1]', "[[]]", "GB", "", None, 1.5, '{"a": 1}'])
def test_other_cells_stay_as_they_are(cell: Any) -> None:
    assert set_of(cell) == cell


def test_parts_of_a_log_are_read_as_the_whole() -> None:
    cells = ['["b", "a"]', None, "[x", "[]", "plain"]
    whole = log(cells).context
    assert whole is not None
    found = list(whole["cart"])
    assert (found[0], found[2:]) == (("a", "b"), ["[x", (), "plain"])
    for place, cell in enumerate(cells):
        part = log([cell]).context
        assert part is not None
        one = part["cart"][0]
        assert one == found[place] or (pd.isna(one) and pd.isna(found[place]))


def test_a_reward_model_sees_the_common_values() -> None:
    cells = ['["a", "b"]', '["b"]', "[]", None]
    rows = log(cells)
    encoder = Encoder.of(rows.context)
    (column,) = encoder.columns
    assert column.levels == ("b", "a")  # type: ignore[union-attr]
    assert encoder.encoded(rows.context, 4).tolist() == [
        [1.0, 1.0, 1.0],
        [1.0, 1.0, 0.0],
        [1.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
    ]
    other = log(['["a", "new"]', "text"])
    assert encoder.encoded(other.context, 2).tolist() == [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_sets_are_cut_by_one_value() -> None:
    rows = log(['["a", "b"]', '["b"]', "[]", None], **{"x=y": ["1", "2", "1", "2"]})
    cut = Segmenter.of(rows, "context.cart=a")
    assert cut.levels == ("contains a", "does not contain a", "missing")
    assert cut.codes(rows).tolist() == [0, 1, 1, 2]
    assert Segmenter.of(rows, "context.x=y").column == "x=y"
    with pytest.raises(InputError, match=r"name a value to cut by, such as context\.cart=VALUE"):
        Segmenter.of(rows, "context.cart")
    with pytest.raises(InputError, match=r"context\.x=y does not hold sets|no column"):
        Segmenter.of(rows, "context.x=y=1")
