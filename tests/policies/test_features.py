from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit_platform.domain.experiment import Arm, ExperimentSpec
from bandit_platform.policies.features import FeatureText, encode, feature
from bandit_platform.policies.numbers import SMALLEST

#: what Vowpal Wabbit text is made of
HOSTILE = [
    " ",
    "|",
    ":",
    "\n",
    "\r",
    "\t",
    "0:1:0.5 ",
    "|a @free",
    "shared",
    "'tag|",
    "\x00",
    "\x85",
]

texts = st.one_of(
    st.text(max_size=30), st.lists(st.sampled_from([*HOSTILE, "x"]), max_size=8).map("".join)
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(texts, st.booleans(), numbers)
sets = st.lists(st.one_of(texts, st.just("\ud800")), max_size=50, unique=True).map(
    lambda found: tuple(sorted(found))
)
features = st.dictionaries(texts, values, max_size=6)


def parsed_weights(declared: dict[str, Any]) -> list[float]:
    """The weights that features should have: 1 for text and booleans; zeros do not occur."""
    weights = [v if type(v) is float else 1.0 for v in declared.values()]
    return [weight for weight in weights if abs(weight) >= SMALLEST]


@given(context=features, arms=st.lists(features, min_size=1, max_size=4))
@example(context={"x": "a b|c:9\n|a @free"}, arms=[{"y": "z\n0:-9:1 |a w"}])
@example(context={}, arms=[{}])
@example(context={"": ""}, arms=[{"": ""}])
@example(context={"v": 1.7976931348623157e308, "w": -1e39}, arms=[{"v": 5e-30}])
@example(context={"": 1.74e-30}, arms=[{}])
@example(context={"": 1.7400321e-30, "v": 1e-30}, arms=[{"": -9.95987871e-30, "v": 1e-29}])
def test_no_name_or_value_makes_a_feature_a_namespace_or_an_arm(
    parse: Callable[[list[str]], Any], context: dict[str, Any], arms: list[dict[str, Any]]
) -> None:
    spec = ExperimentSpec.model_construct(
        arms=tuple(
            Arm.model_construct(key=f"arm-{i}", features=each) for i, each in enumerate(arms)
        )
    )
    eligible = spec.arm_keys
    parsed = parse(FeatureText(spec).lines(context, eligible))

    assert len(parsed.arms) == len(eligible)
    assert set(parsed.shared) <= {"c"}
    assert all(set(arm) == {"a"} for arm in parsed.arms)
    limited = [min(max(w, -1e12), 1e12) for w in parsed_weights(context)]
    assert parsed.shared.get("c", []) == pytest.approx(limited, rel=1e-6)
    for line, declared in zip(parsed.arms, [{}, *arms], strict=True):
        limited = [min(max(w, -1e12), 1e12) for w in parsed_weights(declared)]
        assert line["a"] == pytest.approx([1.0, *limited], rel=1e-6)


@given(texts)
def test_encoding_loses_nothing(value: str) -> None:
    assert unquote(encode(value)) == value
    assert set(encode(value)) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~%"
    )


@given(st.tuples(texts, texts), st.tuples(texts, texts))
@example(("a", "b=c"), ("a=b", "c"))
@example(("a", "b c"), ("a", "b%20c"))
def test_different_features_have_different_texts(
    one: tuple[str, Any], two: tuple[str, Any]
) -> None:
    if one != two and not (type(one[1]) is float and type(two[1]) is float):
        same_word = {str(v).lower() if isinstance(v, bool) else v for v in (one[1], two[1])}
        if one[0] != two[0] or len(same_word) == 2:
            assert feature(*one) != feature(*two)


def test_features_read_as_name_and_value() -> None:
    assert feature("country", "GB") == "country=GB"
    assert feature("returning", True) == "returning=true"
    assert feature("returning", False) == "returning=false"
    assert feature("cart_value", 82.5) == "cart_value:82.5"
    assert feature("n", 1e21) == feature("n", 1e12)
    assert feature("city", "São Paulo|x:1\n") == "city=S%C3%A3o%20Paulo%7Cx%3A1%0A"


def test_half_a_surrogate_pair_is_no_crash() -> None:
    assert feature("x", "\ud800") == "x=%3F"


@given(st.floats(min_value=SMALLEST, max_value=1e12))
@example(SMALLEST)
@example(1.23456789e-29)
def test_numbers_arrive_to_six_digits(parse: Callable[[list[str]], Any], value: float) -> None:
    line = " ".join(["shared |c", feature("x", value), feature("y", -value)])
    parsed = parse([line, "|a @nothing"])
    assert parsed.shared["c"] == pytest.approx([value, -value], rel=1e-6)


@pytest.mark.parametrize("value", [1.7976931348623157e308, 3.5e38, 1e20, -1e20, -1e308])
def test_a_number_beyond_single_precision_never_becomes_infinite(
    parse: Callable[[list[str]], Any], value: float
) -> None:
    parsed = parse([f"shared |c {feature('x', value)}", "|a @nothing"])
    (weight,) = parsed.shared["c"]
    assert abs(weight) ** 3 < float(np.finfo(np.float32).max)
    assert math.copysign(1.0, weight) == math.copysign(1.0, value)


def test_arms_come_in_the_order_of_the_eligible_ones(text: FeatureText) -> None:
    context = {"country": "GB"}
    assert text.lines(context, ("nothing", "parking", "upgrade")) == [
        "shared |c country=GB",
        "|a @nothing",
        "|a @parking",
        "|a @upgrade margin:12 kind=own new=true",
    ]


def test_no_declared_feature_can_pose_as_an_arm(parse: Callable[[list[str]], Any]) -> None:
    assert not feature("@parking", True).startswith("@")
    assert not feature("", "@parking").startswith("@")


@given(name=texts, cart=sets)
@example(name="cart", cart=("a b", "c:9", "|a @free", "x\n0:-9:1 |a w", "\ud800"))
@example(name="cart", cart=())
def test_each_value_of_a_set_is_one_feature_whatever_it_holds(
    parse: Callable[[list[str]], Any], name: str, cart: tuple[str, ...]
) -> None:
    spec = ExperimentSpec.model_construct(arms=(Arm.model_construct(key="a", features={}),))
    parsed = parse(FeatureText(spec).lines({name: cart}, spec.arm_keys))
    assert set(parsed.shared) <= {"c"}
    assert [set(arm) for arm in parsed.arms] == [{"a"}, {"a"}]
    weights = [1.0 / math.sqrt(len(cart)) for _ in cart]
    assert parsed.shared.get("c", []) == pytest.approx(weights, rel=1e-6)


def test_a_set_weighs_as_much_as_one_value() -> None:
    assert feature("cart", ("mug",)) == feature("cart", "mug") == "cart=mug"
    assert feature("cart", ("mug", "pen", "pot", "cup")).split() == [
        "cart=mug:0.5",
        "cart=pen:0.5",
        "cart=pot:0.5",
        "cart=cup:0.5",
    ]
