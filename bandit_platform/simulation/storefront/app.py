"""The shop: cart, checkout, confirmation.

It asks one experiment for offers, and another one when it is opened with ``?experiment=KEY``, so
that a team can walk through what it has just made. The page asks for its offer itself, with the
script and a publishable key. What is paid, returned or complained about is reported from here, with
a secret key, as pages can be made to say anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from bandit_platform.client.client import Client
from bandit_platform.domain.duration import format_duration
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.simulation.storefront.catalogue import (
    ADD_ONS,
    COUNTRIES,
    EVENINGS,
    MOST_TICKETS,
    add_ons,
    evening,
)
from bandit_platform.simulation.storefront.facts import (
    facts,
    missing,
    personal_facts,
    wanted,
    wants_device,
)
from bandit_platform.simulation.storefront.orders import CURRENCY, Extra, Order, Orders, extra_of

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Storefront:
    """What the shop knows of the platform."""

    #: key of the experiment that chooses offers unless another one is asked for
    experiment: str
    #: the experiment with a key, as it is now; None where there is none
    find: Callable[[str], ExperimentSpec | None]
    #: address of the decision service
    service: str
    #: address of the console
    console: str
    publishable_key: str
    #: reports with the secret key
    client: Client


def create_storefront(shop: Storefront) -> Flask:
    """The shop as an application."""
    app = Flask(
        "storefront", template_folder=str(_FOLDER / "templates"), static_folder=_FOLDER / "static"
    )
    app.secret_key = secrets.token_bytes(32)
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.config["SESSION_COOKIE_NAME"] = "storefront"
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    app.jinja_env.filters["pounds"] = "£{:.2f}".format
    app.jinja_env.filters["price_of"] = _price
    app.context_processor(
        lambda: {
            "shop": shop,
            "experiment": _experiment(shop),
            "consent": session.get("consent", False),
        }
    )
    app.after_request(_Headers(shop.service))
    _add_buying(app, orders := Orders(), shop)
    _add_afterwards(app, orders, shop)
    return app


def _price(extra: Extra) -> str:
    pounds = extra.currency == CURRENCY
    return f"£{extra.price:.2f}" if pounds else f"{extra.price:.2f} {extra.currency}"


def _experiment(shop: Storefront) -> str:
    """Key of the experiment that this visitor tries."""
    return str(session.get("experiment", shop.experiment))


class _Headers:
    """A strict policy, as a careful shop's: no inline script or style, one other server."""

    def __init__(self, service: str) -> None:
        self._policy = (
            f"default-src 'none'; script-src 'self' {service}; connect-src 'self' {service}; "
            "style-src 'self'; img-src 'self' data: https:; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )

    def __call__(self, response: Response) -> Response:
        response.headers["Content-Security-Policy"] = self._policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def _add_buying(app: Flask, orders: Orders, shop: Storefront) -> None:
    @app.get("/")
    def whats_on() -> str | BaseResponse | tuple[str, int]:
        asked = request.args.get("experiment")
        if asked is not None:
            if shop.find(asked) is None:
                return render_template("storefront/unknown.html"), 404
            session["experiment"] = asked
            return redirect(url_for("whats_on"))
        return render_template("storefront/whats_on.html", evenings=EVENINGS, most=MOST_TICKETS)

    @app.post("/consent")
    def consent() -> BaseResponse:
        session["consent"] = request.form.get("consent") == "yes"
        back = request.form.get("back", "/")
        return redirect(back if back.startswith("/") and back[1:2] not in {"/", "\\"} else "/")

    @app.get("/cart")
    def cart() -> str:
        return render_template("storefront/cart.html", **_cart())

    @app.post("/cart")
    def put_in_cart() -> BaseResponse:
        if evening(request.form.get("evening", "")) is None:
            abort(404)
        tickets = request.form.get("tickets", 1, type=int)
        session["cart"] = [request.form["evening"], min(max(tickets, 1), MOST_TICKETS)]
        return redirect(url_for("cart"))

    @app.post("/cart/add-ons")
    def add_to_cart() -> BaseResponse:
        sku = request.form.get("sku", "")
        if not add_ons({sku}):
            abort(404)
        session["add_ons"] = sorted({sku, *session.get("add_ons", [])})
        return redirect(url_for("cart"))

    @app.post("/cart/empty")
    def empty_cart() -> BaseResponse:
        _forget_cart()
        return redirect(url_for("cart"))

    @app.get("/checkout")
    def checkout() -> str | BaseResponse:
        found = _cart()
        if found["evening"] is None:
            return redirect(url_for("cart"))
        return render_template("storefront/checkout.html", countries=COUNTRIES, **found)

    @app.post("/orders")
    def place_order() -> BaseResponse:
        found = _cart()
        country = request.form.get("country", "GB")
        if found["evening"] is None or country not in COUNTRIES:
            return redirect(url_for("cart"))
        mine = session.get("orders", [])
        order = orders.place(
            _experiment(shop),
            found["evening"],
            found["tickets"],
            country,
            returning=bool(mine),
            add_ons=found["added"],
        )
        session["orders"] = [*mine, order.number][-20:]
        _forget_cart()
        return redirect(url_for("confirmation", number=order.number))


def _cart() -> dict[str, Any]:
    key, tickets = session.get("cart", ("", 0))
    found = evening(key)
    added = add_ons(session.get("add_ons", []))
    price = tickets * found.price if found else 0.0
    return {
        "evening": found,
        "tickets": tickets,
        "added": added,
        "value": price,
        "total": price + sum(each.price for each in added),
        "offered": [each for each in ADD_ONS if each not in added],
    }


def _forget_cart() -> None:
    session.pop("cart", None)
    session.pop("add_ons", None)


def _add_afterwards(app: Flask, orders: Orders, shop: Storefront) -> None:
    def own(number: str) -> Order:
        """The order, if it is this shopper's; with the decision that the page was given."""
        order = orders.find(number) if number in session.get("orders", []) else None
        if order is None:
            abort(404)
        order.belongs_to(request.form.get("decision", ""))
        return order

    def shown(order: Order) -> BaseResponse:
        return redirect(url_for("confirmation", number=order.number))

    def report(order: Order, kind: str, extra: Extra | None = None) -> None:
        if order.decision_id is not None:
            amount, currency = (extra.price, extra.currency) if extra else (None, None)
            shop.client.report(
                order.decision_id, kind, amount=amount, currency=currency, event_id=kind
            )

    @app.get("/orders/<number>")
    def confirmation(number: str) -> str:
        order = own(number)
        spec = shop.find(order.experiment)
        schema = spec.context if spec else {}
        return render_template(
            "storefront/confirmation.html",
            order=order,
            context=wanted(schema, facts(order)),
            personal=wanted(schema, personal_facts(order)),
            device=wants_device(schema),
            missing=missing(schema, order, consent=session.get("consent", False)),
            window=format_duration(spec.reward.window) if spec else "",
        )

    @app.post("/orders/<number>/extra")
    def buy_extra(number: str) -> BaseResponse:
        order = own(number)
        spec = shop.find(order.experiment)
        arms = {arm.key: arm for arm in spec.arms} if spec else {}
        arm = arms.get(request.form.get("arm", ""))
        if arm is None:
            abort(400)
        if order.extra is None and not order.returned:
            order.extra = extra_of(arm)
            report(order, "purchase", order.extra)
        return shown(order)

    @app.post("/orders/<number>/dismissed")
    def dismissed(number: str) -> BaseResponse:
        own(number).dismissed = True
        return Response(status=204)

    @app.post("/orders/<number>/return")
    def return_order(number: str) -> BaseResponse:
        order = own(number)
        if not order.returned:
            order.returned = True
            # tickets were never part of the reward
            nothing = Extra(title="", price=0.0, currency=CURRENCY)
            report(order, "return", order.extra or nothing)
        return shown(order)

    @app.post("/orders/<number>/complaint")
    def complain(number: str) -> BaseResponse:
        order = own(number)
        if not order.complained:
            order.complained = True
            report(order, "complaint")
        return shown(order)
