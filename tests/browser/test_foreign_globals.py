"""Pages on which something else is already called ``offers``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.shop import CONTEXT, EXPERIMENT, STUB, needs_chromium, wait_for

pytestmark = needs_chromium

#: the page's own things, before the snippet
FOREIGN = {
    "an element": '<div id="offers">Our offers</div>',
    "a form": '<form name="offers"><input name="q"><input name="version" value="1"></form>',
    "two elements": '<div id="offers"></div><section id="offers"><p id="q"></p></section>',
    "an image": '<img name="offers" alt="">',
    "a frame": '<iframe name="offers" srcdoc="<p>x</p>"></iframe>',
    "a frame of another origin": '<iframe name="offers" sandbox src="data:text/html,x"></iframe>',
    "an element called q": '<div id="q"></div><div id="version"></div>',
    "a list": "<script>var offers = [{title: 'Ours'}];</script>",
    "a function": "<script>function offers(x) { return x.length; }</script>",
    "a constant": "<script>const offers = document.body;</script>",
    "null": "<script>var offers = null;</script>",
}
ASK = """
window.offers('init', SETTINGS);
window.answer = window.offers('decide', EXPERIMENT, {context: CONTEXT, timeout: 9000});
answer.then(answer => window.offers('render', '#slot', answer));
"""


@pytest.mark.parametrize("script_first", [False, True])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_the_script_works_beside_it(counter: Any, foreign: str, script_first: bool) -> None:
    settings = {"service": counter.service_url, "key": counter.key, "consent": True}
    given = f"const SETTINGS = {json.dumps(settings)}, EXPERIMENT = {json.dumps(EXPERIMENT)}, "
    given += f"CONTEXT = {json.dumps(CONTEXT)};"
    counter.shop.script("/snippet.js", f"{given}{STUB}{ASK}")
    snippet = '<script src="/snippet.js"></script>'
    load = f'<script src="{counter.service_url}/sdk/v1/offers.js"></script>'
    scripts = load + snippet if script_first else snippet + load
    counter.shop.page("/", f"<body>{FOREIGN[foreign]}{scripts}<div id=slot></div>")
    page = counter.browser.new_context().new_page()
    page.on("pageerror", lambda error: counter.complaints.append(str(error)))
    page.goto(f"{counter.url}/")
    answer = page.evaluate("() => answer")
    assert answer["decision_id"], answer
    activated = counter.service.journal
    wait_for(
        page, lambda: answer["decision_id"] in [line["id"] for line in activated("activation")]
    )
    assert page.evaluate("() => typeof window.offers.version") == "string"
    assert page.locator("#slot .offer").count() == (answer["arm"] != "nothing")


def test_what_the_page_stored_under_that_name_is_no_unit(counter: Any) -> None:
    stored = "localStorage.offers = JSON.stringify(['seen', 'x'.repeat(300)]);"
    page = counter.open(scripts=[stored + "sessionStorage.offers = '{\"queue\": 7}';"])
    answer = page.evaluate(
        "([e, q]) => offers('decide', e, q)", [EXPERIMENT, {"context": CONTEXT, "timeout": 9000}]
    )
    assert answer["decision_id"]
    assert len(counter.service.asked("/decisions")[0]["unit_id"]) == 32
