"""Which decision a request key leads to, and that it stays the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bandit_platform.domain.caller import Caller
from bandit_platform.errors import ConflictError, ContextError

PAGE = Caller(key_id="b" * 16, trusted=False, address="192.0.2.1")
CHEAP = {"cart_value": 20.0, "country": "GB"}


def test_a_page_cannot_take_a_servers_order_number_in_advance(world: Any, spec: Any) -> None:
    world.launch(spec)
    squatted = world.ask("a stranger", request_key="order-1", context=CHEAP, caller=PAGE)
    world.ingest()
    asked = world.ask("u1", request_key="order-1")
    again = world.ask("u1", request_key="order-1")
    assert (squatted.new, asked.new, again.new) == (True, True, False)
    assert asked.decision.decision_id != squatted.decision.decision_id
    assert again.decision == asked.decision
    assert (squatted.decision.trusted, asked.decision.trusted) == (False, True)


def test_a_link_to_an_order_on_a_second_device_is_a_new_shopper(world: Any, spec: Any) -> None:
    world.launch(spec)
    laptop = world.ask("laptop", request_key="order-1", caller=PAGE)
    phone = world.ask("phone", request_key="order-1", context=CHEAP, caller=PAGE)
    assert laptop.new
    assert phone.new
    assert laptop.decision.decision_id != phone.decision.decision_id
    world.ingest()
    for server in (world.server, world.new_server()):
        again = world.ask("laptop", request_key="order-1", caller=PAGE, server=server)
        assert (again.new, again.decision) == (False, laptop.decision)
        with pytest.raises(ConflictError):
            world.ask("phone", request_key="order-1", caller=PAGE, server=server)
    world.ingest()
    assert world.one("SELECT count(*) FROM decision") == 2


REVISIONS = {
    "a field is gone": ('returning = { type = "boolean" }', ""),
    "a field is required": (
        'country = { type = "category" }',
        'country = { type = "category" }\nchannel = { type = "category", required = true }',
    ),
    "a limit is lower": (
        'cart_value = { type = "number", min = 0 }',
        'cart_value = { type = "number", min = 0, max = 50 }',
    ),
    "a field has another type": (
        'returning = { type = "boolean" }',
        'returning = { type = "category" }',
    ),
}


@pytest.mark.parametrize("change", REVISIONS.values(), ids=REVISIONS)
@pytest.mark.parametrize("known_by", ["the process", "the node", "the database"])
def test_a_repeated_request_gets_its_decision_after_a_revision(
    lite: Any, spec: Any, spec_text: str, change: tuple[str, str], known_by: str
) -> None:
    lite.launch(spec)
    first = lite.ask("u1", request_key="order-1", eligible_arms=("insurance",))
    assert change[0] in spec_text
    lite.apply(spec_text.replace(*change))
    if known_by == "the database":
        lite.ingest()
    server = lite.server if known_by == "the process" else lite.new_server()
    again = lite.ask("u1", request_key="order-1", eligible_arms=("insurance",), server=server)
    assert (again.new, again.decision) == (False, first.decision)
    with pytest.raises(ContextError):
        lite.ask("u1", request_key="order-2", server=server)
    lite.ingest()
    assert lite.one("SELECT count(*) FROM decision") == 1


@pytest.mark.parametrize("change", REVISIONS.values(), ids=REVISIONS)
@pytest.mark.parametrize("rules", ['unknown = "drop"', "lenient = true"])
def test_a_repeated_request_is_read_as_its_revision_read_it(
    lite: Any, spec_text: str, change: tuple[str, str], rules: str
) -> None:
    text = f"{spec_text}\n[request]\n{rules}\n"
    lite.launch(text)
    context = {"cart_value": 80.0, "country": "GB", "returning": True}
    context |= {"cart_value": "80.0"} if "lenient" in rules else {"other": [1]}
    first = lite.ask("u1", request_key="order-1", context=context)
    lite.apply(text.replace(*change))
    again = lite.ask("u1", request_key="order-1", context=context)
    assert (again.new, again.decision) == (False, first.decision)
    with pytest.raises(ConflictError):
        lite.ask("u1", request_key="order-1", context={**context, "country": "US"})


def test_a_repeated_request_is_no_conflict_once_undeclared_fields_are_dropped(
    lite: Any, spec_text: str
) -> None:
    lite.launch(spec_text)
    first = lite.ask("u1", request_key="order-1")
    without = spec_text.replace('returning = { type = "boolean" }', "")
    lite.apply(f'{without}\n[request]\nunknown = "drop"\n')
    again = lite.ask("u1", request_key="order-1")
    assert (again.new, again.decision) == (False, first.decision)


ALIKE: list[list[dict[str, Any]]] = [
    [
        {"eligible_arms": arms}
        for arms in (("upgrade", "insurance"), ("insurance", "upgrade", "insurance"))
    ],
    [
        {"excluded_arms": arms}
        for arms in (("upgrade", "insurance"), ("insurance", "upgrade", "upgrade"))
    ],
    [{"context": {"cart_value": value}} for value in (80, 80.0)],
    [{"context": {"cart_value": value}} for value in (0, 0.0, -0.0)],
    [
        {"context": {"country": "GB", "cart_value": 80.0}},
        {"context": {"cart_value": 80.0, "country": "GB", "returning": None}},
    ],
]


@pytest.mark.parametrize("spellings", ALIKE)
def test_spellings_of_one_request_get_one_decision(
    lite: Any, spec: Any, spellings: list[dict[str, Any]]
) -> None:
    lite.launch(spec)
    numbers = itertools.count()
    for first, second in itertools.permutations(spellings, 2):
        if None in first.get("context", {}).values():
            continue  # nulls are taken out before a request is judged; here only the key counts
        key = f"order-{next(numbers)}"
        asked = lite.ask("u1", request_key=key, **first)
        again = lite.ask("u1", request_key=key, **second)
        assert (again.new, again.decision) == (False, asked.decision)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"eligible_arms": None}, {"eligible_arms": ()}),
        ({"context": {"cart_value": 1}}, {"context": {"cart_value": 2}}),
        ({"context": {"returning": True}}, {"context": {"returning": False}}),
        ({"excluded_arms": ("upgrade",)}, {"excluded_arms": ()}),
    ],
)
def test_requests_that_differ_conflict(
    lite: Any, spec: Any, first: dict[str, Any], second: dict[str, Any]
) -> None:
    lite.launch(spec)
    lite.ask("u1", request_key="order-1", **first)
    with pytest.raises(ConflictError):
        lite.ask("u1", request_key="order-1", **second)
