"""Carts over HTTP: what is taken, what is refused and with which words, and the lenient forms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bandit_platform.domain.spec_file import parse_toml

PATH = "/v1/experiments/checkout-offers/decisions"
CANARY = "canary-7f3a"


@pytest.fixture
def make_shop(deployment: Any, spec_text: str) -> Any:
    """Starts the experiment with a cart in its context, with further lines of the file."""

    def make(more: str = "") -> Any:
        cart = 'country = { type = "category" }\ncart_skus = { type = "set" }'
        text = spec_text.replace('country = { type = "category" }', cart)
        text = text.replace(
            'key = "insurance"', 'key = "insurance"\nsku = "INS-1"\nnot_if_in = "cart_skus"'
        )
        deployment.launch(parse_toml(text + more))
        return deployment

    return make


def stored(deployment: Any) -> list[dict[str, Any]]:
    lines = map(json.loads, deployment.journal().splitlines())
    return [line for line in lines if line["k"] == "decision"]


def test_a_cart_is_stored_sorted_and_keeps_its_own_offer_away(make_shop: Any) -> None:
    shop = make_shop()
    answer = shop.decide(context={"cart_skus": ["PEN-1", "INS-1", "PEN-1"]})
    assert answer.status_code == 201
    assert "insurance" not in answer.json["pmf"]
    (decision,) = stored(shop)
    assert decision["context"] == {"cart_skus": ["INS-1", "PEN-1"]}
    assert shop.decide(context={"cart_skus": []}).status_code == 201


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (CANARY, "must be a list of texts"),
        ({"0": CANARY}, "must be a list of texts"),
        ([CANARY, 1], "each value must be text"),
        ([[CANARY]], "each value must be text"),
        ([CANARY * 20], "each value must have at most 128 characters"),
        ([f"{CANARY}@shop.example"], "holds a value that looks like an e-mail address"),
        ([f"{CANARY}-{n}" for n in range(51)], "must have at most 50 different values"),
        ([CANARY] * 501, "holds a value that is not true, false"),
    ],
    ids=str,
)
def test_what_is_no_cart_is_refused_and_not_repeated(
    make_shop: Any, refused: Any, value: Any, message: str
) -> None:
    shop = make_shop()
    answer = shop.decide(context={"cart_skus": value})
    body = refused(answer, 422, "invalid-context")
    assert [each["path"] for each in body["errors"]] == ["context.cart_skus"]
    assert body["errors"][0]["message"].startswith(message)
    assert CANARY not in answer.text
    assert stored(shop) == []


@pytest.mark.parametrize(
    ("value", "cart"),
    [
        ("PEN-1", ["PEN-1"]),
        (8841, ["8841"]),
        ([12, None, "", "A"], ["12", "A"]),
        ({"0": "B", "3": "A"}, ["A", "B"]),
        ("", []),
    ],
    ids=str,
)
def test_a_lenient_experiment_takes_carts_as_templates_send_them(
    make_shop: Any, value: Any, cart: list[str]
) -> None:
    shop = make_shop("\n[request]\nlenient = true\n")
    assert shop.decide(context={"cart_skus": value}).status_code == 201
    assert stored(shop)[0]["context"] == {"cart_skus": cart}


def test_a_list_for_another_field_is_refused(make_shop: Any, refused: Any) -> None:
    body = refused(make_shop().decide(context={"country": ["GB"]}), 422, "invalid-context")
    assert body["errors"] == [{"path": "context.country", "message": "must be text"}]
