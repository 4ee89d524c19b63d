from __future__ import annotations

import timeit
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.personal import is_access_key, is_card_number, personal_shape
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.errors import ContextError, SpecError

EMAIL, TELEPHONE = "an e-mail address", "a telephone number"
CARD, KEY = "a payment-card number", "an access key"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("ann@shop.example", EMAIL),
        ("Ann <ann.o-neil+x@mail.shop.example>", EMAIL),
        ("https://x.example/?u=ann%40shop.example", EMAIL),
        ("ann\uff20shop.example", EMAIL),
        ("+44 7700 900123", TELEPHONE),
        ("+447700900123", TELEPHONE),
        ("(+44) 7700 900123", TELEPHONE),
        ("07700 900123", TELEPHONE),
        ("07700900123", TELEPHONE),
        ("020 7946 0958", TELEPHONE),
        ("0044 20 7946 0958", TELEPHONE),
        ("call 555-123-4567 now", TELEPHONE),
        ("(555) 123-4567", TELEPHONE),
        ("030/1234567", TELEPHONE),
        ("4111111111111111", CARD),
        ("4111 1111 1111 1111", CARD),
        ("4111111111111111 12/29", CARD),
        ("card 5500-0000-0000-0004.", CARD),
        ("378282246310005", CARD),
        ("\uff14" + "\uff11" * 15, CARD),
        ("\u0664" + "\u0661" * 15, CARD),
        ("4111 1111 1111 1111 12/26 123", CARD),
        ("2 4111-1111-1111-1111", CARD),
        ("amex 3782 822463 10005 01/30", CARD),
        ("4111\t1111\t1111\t1111", CARD),
        ("4111\u20131111\u20131111\u20131111", CARD),
        ("4111\u200b1111\u200b1111\u200b1111", CARD),
        ("6304000000000000000", CARD),
        ("+44\u20117700\u2011900123", TELEPHONE),
        ("0151 12345678", TELEPHONE),
        ("ann%2540shop.example", EMAIL),
        ("ann@shop\u3002example", EMAIL),
        ("sk_0123456789abcdef_rest", KEY),
        ("my pk_0123456789abcdef_rest", KEY),
    ],
)
def test_shapes_are_seen(text: str, shape: str) -> None:
    assert personal_shape(text) == shape


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GB",
        "loyal-customer",
        "2026-11-22",
        "2026-11-22 10:15",
        "20261122",
        "2026-11-22T10:00:00Z",
        "10-20",
        "50..100",
        "1,250,000",
        "4111111111111112",
        "1763800000000",
        "seat 12/14, row 3",
        "SKU-00123456",
        "10.0.0.1",
        "@home",
        "a @ b",
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "iPhone 15 Pro",
        "task_force",
        "12345678",
        "20261122100000",
        "20261122100000001",
        "5901234123457",
        "0001234567",
        "0012345678",
        "123-456-7890",
        "0.3375792240261688",
        "29.170286325759932",
        "-6.472277 -30.560347",
        "cee4b096-3602-451c-a834-b0f82cc81a35",
        "ref:68557497-0042-4c64-b0bb-0e1d7d00ceec",
        "product_c0647235032b4e0284b6655d401a7f43",
        "b6a32d9d06535746705d43a2e6b0443c9ee18302",
    ],
)
def test_ordinary_texts_pass(text: str) -> None:
    assert personal_shape(text) is None


@given(st.text(max_size=256))
def test_any_text_can_be_judged(text: str) -> None:
    assert personal_shape(text) in {None, EMAIL, TELEPHONE, CARD, KEY}


@given(st.uuids())
def test_no_uuid_looks_personal(value: UUID) -> None:
    assert personal_shape(f"{value}") is None
    assert personal_shape(f"order {value.hex}!") is None or value.hex[:24].isdecimal()


@given(st.integers(min_value=631_152_000, max_value=4_102_444_799))
def test_no_moment_looks_personal(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    for form in ("%Y%m%d%H%M%S", "%Y%m%d%H%M%S%f", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M"):
        assert personal_shape(moment.strftime(form)) is None
    assert not is_card_number(float(moment.strftime("%Y%m%d%H%M%S")))


@given(
    st.from_regex(r"(2[2-7]|[3-6][0-9])[0-9]{13}", fullmatch=True, alphabet="0123456789"),
    st.booleans(),
)
def test_any_card_number_is_seen_whatever_separates_it(digits: str, spaced: bool) -> None:
    doubled = [int(d) * (2 - place % 2) for place, d in enumerate(digits)]
    check = -sum(d - 9 if d > 9 else d for d in doubled) % 10
    number = f"{digits}{check}"
    shown = " ".join(number[i : i + 4] for i in range(0, 16, 4)) if spaced else number
    assert personal_shape(f"x {shown} y") == CARD
    assert is_card_number(float(number))


@pytest.mark.parametrize("value", [0.0, -4111111111111111.0, 4111111111111111.5, 1e300, 82.5])
def test_other_numbers_are_no_cards(value: float) -> None:
    assert not is_card_number(value)


def test_a_key_is_told_from_a_word() -> None:
    assert is_access_key("sk_0123456789abcdef_x")
    assert not is_access_key("task_force")


def test_the_context_refuses_such_values_without_repeating_them(spec_text: str) -> None:
    schema = parse_toml(spec_text).context
    with pytest.raises(ContextError, match=r"^context\.cart_value: .*; context\.country: .*") as e:
        validate_context(schema, {"cart_value": 4111111111111111, "country": "ann@shop.example"})
    assert "allow_personal = true" in str(e.value)
    assert "ann" not in str(e.value)
    assert "4111" not in str(e.value)


def test_a_field_may_allow_them(spec_text: str) -> None:
    declared = '{ type = "category", allow_personal = true }'
    text = spec_text.replace('country = { type = "category" }', f"country = {declared}")
    schema = parse_toml(text).context
    assert validate_context(schema, {"country": "ann@shop.example"})
    with pytest.raises(SpecError, match="allow_personal"):
        parse_toml(text.replace("allow_personal = true", "allow_personal = 1"))


def test_declared_values_are_the_teams_own(spec_text: str) -> None:
    declared = '{ type = "category", values = ["07700 900123"] }'
    text = spec_text.replace('country = { type = "category" }', f"country = {declared}")
    assert validate_context(parse_toml(text).context, {"country": "07700 900123"})


@pytest.mark.parametrize("text", ["GB", "x" * 256, "1" * 256, "1-" * 128, "+" * 256, "a@" * 128])
def test_no_text_takes_long(text: str) -> None:
    assert timeit.timeit(lambda: personal_shape(text), number=100) / 100 < 0.001
