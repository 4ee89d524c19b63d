"""What the shop can say about an order, as far as an experiment wants to know it."""

from __future__ import annotations

from collections.abc import Mapping

from bandit_platform.domain.context import ContextSchema, ContextValue
from bandit_platform.simulation.storefront.orders import Order

#: what the page finds out for itself
_DEVICES = ("mobile", "desktop")


def facts(order: Order) -> dict[str, ContextValue]:
    """What names nobody, under the names that experiments give it."""
    return {
        "order_value": order.value,
        "cart_value": order.value,
        "cart_skus": order.skus,
        "tickets": order.tickets,
        "event_kind": order.evening.kind,
        "event_in": order.evening.event_in,
    }


def personal_facts(order: Order) -> dict[str, ContextValue]:
    """What is said with consent only."""
    return {"country": order.country, "returning": order.returning}


def wanted(schema: ContextSchema, known: Mapping[str, ContextValue]) -> dict[str, ContextValue]:
    """Those facts that an experiment declares and takes; it would refuse any other."""
    return {
        name: value
        for name, value in known.items()
        if name in schema and schema[name].problem(value) is None
    }


def wants_device(schema: ContextSchema) -> bool:
    """Whether the page may say on what it is read."""
    field = schema.get("device")
    return field is not None and all(field.problem(each) is None for each in _DEVICES)


def missing(schema: ContextSchema, order: Order, *, consent: bool) -> list[str]:
    """Fields that an experiment requires and the shop does not say."""
    known = facts(order) | (personal_facts(order) if consent else {})
    said = wanted(schema, known).keys() | ({"device"} if wants_device(schema) else set())
    return [name for name, field in schema.items() if field.required and name not in said]
