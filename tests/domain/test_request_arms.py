"""What requests bring, read by its text and by parsing; and lists of arms by content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import from_json

from bandit_platform.domain import request_arms
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.domain.request_arms import (
    ArmList,
    ArmsMerger,
    ArmsReader,
    KnownArm,
    most_frequent,
)
from bandit_platform.errors import InputError
from bandit_platform.storage.compact_draws import (
    read_eligible,
    read_exclusions,
    read_pmf,
    write_eligible,
    write_exclusions,
    write_pmf,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)
FEATURES = st.dictionaries(TEXTS.filter(bool), st.booleans() | NUMBERS | TEXTS, max_size=5)
KEYS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True).filter(
    lambda key: key != "nothing"
)
OFFERS = st.dictionaries(
    TEXTS, st.recursive(TEXTS | NUMBERS | st.none(), lambda x: st.lists(x, max_size=3)), max_size=3
)
ARM = st.fixed_dictionaries({"key": KEYS}, optional={"features": FEATURES, "offer": OFFERS})
ARMS = st.lists(ARM, max_size=8, unique_by=lambda arm: arm["key"])
SPELLINGS = st.sampled_from([None, (",", ":"), (", ", " : "), (" ,\n", ":\t")])


def described(sent: Any) -> Any:
    return [(arm.key, arm.content) for arm in sent.arms], sent.offers


def test_lists_of_other_orders_features_or_keys_are_other_lists() -> None:
    first, second = KnownArm.of("a", {"x": 1.0}), KnownArm.of("b", {"x": 1.0})
    changed, renamed = KnownArm.of("a", {"x": 2.0}), KnownArm.of("c", {"x": 1.0})
    lists = [(first, second), (second, first), (changed, second), (renamed, second), (first,)]
    assert len({ArmList(arms).hash for arms in lists}) == len(lists)
    again = ArmList((KnownArm.from_content(first.content), KnownArm.of("b", {"x": 1.0})))
    assert again.hash == ArmList((first, second)).hash


@settings(max_examples=40)
@given(requests=st.lists(st.tuples(ARMS, SPELLINGS, st.booleans()), max_size=4))
def test_arms_read_by_their_text_are_those_of_the_parsed_body(requests: Any) -> None:
    by_text = ArmsReader()
    for arms, separators, ascii_only in requests:
        body = {
            "unit_id": "u",
            "context": {"set": ["a", "b"]},
            "arms": arms,
            "excluded_arms": ["x"],
        }
        text = json.dumps(body, separators=separators, ensure_ascii=ascii_only).encode()
        taken = by_text.take(text)
        if taken is None:
            continue
        rest, sent = taken
        assert from_json(rest) == {**body, "arms": []}
        assert described(sent) == described(ArmsReader().read(from_json(text)["arms"]))


def test_ordinary_bodies_are_read_by_their_text() -> None:
    reader = ArmsReader()
    arms = [{"key": f"sku-{n}", "features": {"n": n}, "offer": {"t": f"{n}"}} for n in range(5)]
    for separators in (None, (",", ":")):
        for some in (arms, arms[::-1], arms[:1]):
            body = json.dumps({"arms": some, "unit_id": "u"}, separators=separators).encode()
            taken = reader.take(body)
            assert taken is not None
            assert described(taken[1]) == described(ArmsReader().read(some))


@pytest.mark.parametrize(
    "body",
    [
        b'{"arms": []}',
        b'{"unit_id": "u"}',
        b'{"arms": [{"key": "a"},, {"key": "b"}]}',
        b'{"arms": [{"key": "a"} {"key": "b"}]}',
        b'{"arms": [1, {"key": "a"}]}',
        b'{"arms": [{"key": "a"}, 1]}',
        b'{"arms": [{"key": "a"}, {"key": "b"}',
        b'{"arms": [{"key": "a"}], "\\u0061rms": []}',
        b'{"arms": [{"key": "a"}], "arms": [{"key": "b"}]}',
        b'{"arms": [{"key": "a", "features": {"x": {"key": 1}}}]}',
        b'{"arms": [{"key": "a", "features": {"x": NaN}}]}',
        b'{"arms": [{"key": "a b"}]}',
        b'{"arms": [{"key": "a", "other": 1}]}',
    ],
)
def test_other_bodies_are_left_to_the_parser(body: bytes) -> None:
    reader = ArmsReader()
    reader.take(b'{"arms": [{"key": "a"}, {"key": "b"}]}')
    assert reader.take(body) is None


def test_what_is_remembered_is_bounded_and_loses_no_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_arms, "_MOST_KNOWN", 7)
    reader = ArmsReader()
    for first in range(40):
        arms = [{"key": f"sku-{(first * 3 + n) % 23}", "offer": {"n": n}} for n in range(6)]
        taken = reader.take(json.dumps({"arms": arms}).encode())
        assert taken is not None
        assert taken[1].offers == {arm["key"]: arm["offer"] for arm in arms}
        assert reader.read(arms).offers == taken[1].offers


def test_equal_features_of_other_types_are_other_arms() -> None:
    reader = ArmsReader()
    contents = [
        reader.read([{"key": "a", "features": {"x": value}}]).arms[0].content
        for value in (1, 1.0, True, "1", 0, -0.0, False)
    ]
    assert contents[0] == contents[1]
    assert contents[4] == contents[5]
    assert len(set(contents)) == 5


@given(features=FEATURES)
def test_content_leads_back_to_the_arm_and_its_digest(features: Any) -> None:
    arm = KnownArm.of("sku", features)
    back = KnownArm.from_content(arm.content)
    assert (back.key, back.features, back.digest) == (arm.key, arm.features, arm.digest)
    shuffled = KnownArm.of("sku", dict(reversed(features.items())))
    assert shuffled.digest == arm.digest


@pytest.mark.parametrize("sent", [None, 7, {}, [None], [{"features": {}}], [{"key": "a"}] * 101])
def test_what_are_no_arms_is_refused(sent: Any) -> None:
    with pytest.raises(ValidationError):
        ArmsReader().read(sent)


def test_a_key_comes_once_and_nothing_is_reserved() -> None:
    for sent in ([{"key": "a"}, {"key": "a"}], [{"key": "nothing"}]):
        with pytest.raises(InputError):
            ArmsReader().read(sent)


def test_features_of_the_request_are_added_to_those_of_the_file_or_replace_them() -> None:
    merger = ArmsMerger({"own": {"margin": 1.0, "kind": "a"}, "other": {"margin": 2.0}})
    sent = ArmsReader().read([{"key": "new"}, {"key": "own", "features": {"margin": 7, "x": True}}])
    merged = merger.merged(sent)
    assert merged.keys == ("nothing", "own", "other", "new")
    assert merged.by_key["own"].features == {"kind": "a", "margin": 7.0, "x": True}
    assert merged.by_key["other"].features == {"margin": 2.0}


@given(chosen=st.lists(st.booleans(), min_size=1, max_size=120), data=st.data())
def test_columns_of_draws_lead_back_exactly(chosen: list[bool], data: Any) -> None:
    arms = ArmList(tuple(KnownArm.of(f"sku-{n}", {}) for n in range(len(chosen))))
    eligible = ("nothing", *[f"sku-{n}" for n, each in enumerate(chosen) if each])
    text = write_eligible(eligible, arms)
    assert text is not None
    assert read_eligible(text, arms) == eligible
    pmf = tuple(data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=9)))
    assert read_pmf(write_pmf(pmf)) == pmf
    whys = [Exclusion(code=code) for code in (ExclusionCode.CONDITION, ExclusionCode.ENDED)]
    out = {f"sku-{n}": whys[n % 2] for n, each in enumerate(chosen) if not each}
    assert read_exclusions(write_exclusions(out, arms), arms) == out


def test_eligible_arms_of_another_order_or_list_are_written_as_they_are() -> None:
    arms = ArmList((KnownArm.of("a", {}), KnownArm.of("b", {})))
    for eligible in (("nothing", "b", "a"), ("nothing", "c"), ("a",), ()):
        assert write_eligible(eligible, arms) is None
    for damaged in ("", "xzz", "x9", "y1"):
        with pytest.raises(ValueError, match=r"damaged|invalid literal|not in the list"):
            read_eligible(damaged, arms)


def test_the_most_frequent_names_are_two_hundred() -> None:
    counts = {f"sku-{n:03}": float(n) for n in range(500)}
    assert most_frequent(counts) == {f"sku-{n:03}" for n in range(300, 500)}
    assert most_frequent({"a": 1.0}) == {"a"}
