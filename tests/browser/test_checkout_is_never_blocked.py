"""Whatever becomes of the decision service, the shop's page is as usable as without the script."""

from __future__ import annotations

import json
import socket
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser.shop import STUB, needs_chromium

pytestmark = needs_chromium

#: loads of either page before they are compared, and at most where the machine is busy
LOADS, MOST_LOADS = 5, 30
MOST_MILLISECONDS = 50.0
#: the shop's own script: notes when the page can be used, and what goes wrong in it
USABLE = """
window.wrong = [];
addEventListener('error', event => wrong.push(String(event.message)));
addEventListener('unhandledrejection', event => wrong.push(String(event.reason)));
document.addEventListener('DOMContentLoaded', () => {
    const buy = document.getElementById('buy');
    buy.addEventListener('click', () => { buy.textContent = 'Bought'; });
    buy.click();
    window.usable = performance.now();
});
"""
ASK = """
offers('init', {service: SERVICE, key: KEY, consent: true});
window.answer = offers('decide', 'checkout-offers', {context: {cart_value: 80}});
answer.then(answer => {
    window.answered = answer;
    offers('render', '#slot', answer);
    offers('track', answer, 'accept');
});
"""
BUY = '<button id="buy">Buy</button><div id="slot"></div>'


@contextmanager
def closed_port() -> Iterator[str]:
    """An address that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def put_up(counter: Any, service: str, policy: str | None) -> None:
    settings = f"const SERVICE = {json.dumps(service)}, KEY = {json.dumps(counter.key)};"
    counter.shop.script("/without.js", USABLE)
    counter.shop.script("/with.js", f"{USABLE}{STUB}{settings}{ASK}")
    headers = {} if policy is None else {"Content_Security_Policy": policy}
    counter.shop.page("/without", f'<script src="/without.js"></script><body>{BUY}', **headers)
    script = f'<script async src="{service}/sdk/v1/offers.js"></script>'
    asking = f'<script src="/with.js"></script>{script}<body>{BUY}'
    counter.shop.page("/with", asking, **headers)


def usable_after(page: Any, address: str) -> float:
    page.goto(address, wait_until="domcontentloaded")
    page.click("#buy", timeout=4000)
    after: float = page.evaluate("() => usable")
    assert page.text_content("#buy") == "Bought"
    return after


def compare(page: Any, url: str) -> dict[str, float]:
    """Milliseconds until either page is usable: medians of loads by turns."""
    times: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(1, MOST_LOADS + 1):
        for kind, taken in times.items():
            taken.append(usable_after(page, f"{url}/{kind}"))
        medians = {kind: statistics.median(taken) for kind, taken in times.items()}
        if number >= LOADS and medians["with"] - medians["without"] <= MOST_MILLISECONDS:
            break
    return medians


TROUBLES = {
    "no trouble": {},
    "slow": {"/": "slow"},
    "slow to decide": {"/v1/": "slow"},
    "errors": {"/": 500},
    "errors when deciding": {"/v1/": 500},
    "script missing": {"/sdk": 404},
    "garbage": {"/": "garbage"},
    "garbage when deciding": {"/v1/": "garbage"},
    "down": {},
    "script blocked": {},
    "questions blocked": {},
}
POLICIES = {
    "script blocked": "script-src 'self'; connect-src 'self'",
    "questions blocked": "script-src 'self' {service}; connect-src 'self'",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_page_is_usable_as_soon_as_without_the_script(counter: Any, trouble: str) -> None:
    counter.service.released.clear()
    counter.service.trouble.update(TROUBLES[trouble])
    policy = POLICIES.get(trouble)
    with closed_port() as nobody:
        service = nobody if trouble == "down" else counter.service_url
        put_up(counter, service, policy and policy.format(service=service))
        page = counter.browser.new_context().new_page()
        medians = compare(page, counter.url)
        page.goto(f"{counter.url}/with", wait_until="domcontentloaded")
        page.wait_for_function("() => window.answered", timeout=2000)
        answered = page.evaluate("() => answered")
    assert medians["with"] - medians["without"] <= MOST_MILLISECONDS, medians
    assert answered["arm"] == "nothing" or trouble == "no trouble"
    # where something else than a script is served as the script, browsers call that an error
    assert set(page.evaluate("() => wrong")) <= (
        {"Script error."} if trouble == "garbage" else set()
    )
    counter.service.released.set()
