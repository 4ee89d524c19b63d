"""The shops' script in a browser, asking a real service."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.shop import CONTEXT, EXPERIMENT, decide, needs_chromium, wait_for

pytestmark = needs_chromium

#: asks for other people until the draw is an offer, or nothing
DRAW = """async ([experiment, question, wanted]) => {
    for (let n = 0; n < 60; n++) {
        const unitId = 'u' + Math.random();
        const answer = await offers('decide', experiment, {...question, unitId});
        if ((answer.arm === 'nothing') !== wanted) return window.drawn = answer;
    }
}"""
NO_STORAGE = """
for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {get() { throw new DOMException('', 'SecurityError'); }});
"""
FULL_STORAGE = (
    "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"
)
OLD = "delete window.IntersectionObserver; delete window.AbortController;"
GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true});"
STORED = "() => [Object.keys(localStorage), Object.keys(sessionStorage)]"


def draw(page: Any, *, offer: bool = True) -> Any:
    return page.evaluate(DRAW, [EXPERIMENT, {"context": CONTEXT, "timeout": 3000}, offer])


def activated(counter: Any) -> list[str]:
    return [line["id"] for line in counter.service.journal("activation")]


def test_a_decision_is_asked_for_deferred_and_without_asking_first(counter: Any) -> None:
    page = counter.open()
    answer = decide(page, unitId="me", requestKey="order-1", personalContext={"returning": True})
    again = decide(page, unitId="me", requestKey="order-1", personalContext={"returning": True})
    assert answer["decision_id"] == again["decision_id"]
    assert set(answer["pmf"]) <= {"nothing", "upgrade", "insurance"}
    asked = counter.service.asked("/decisions")[0]
    assert asked["defer_activation"] is True
    assert asked["unit_id"] == "me"
    assert asked["context"] == {**CONTEXT, "returning": True}
    assert not [path for path, _ in counter.service.received if path.startswith("OPTIONS")]


@pytest.mark.parametrize("offer", [True, False])
def test_offer_and_nothing_are_activated_when_their_place_comes_into_view(
    counter: Any, offer: bool
) -> None:
    page = counter.open('<div style="height: 3000px"></div><div id="slot"></div>')
    answer = draw(page, offer=offer)
    page.evaluate("() => offers('render', '#slot', drawn)")
    page.wait_for_timeout(200)
    assert answer["decision_id"] not in activated(counter)
    page.evaluate("() => scrollTo(0, 3000)")
    wait_for(page, lambda: answer["decision_id"] in activated(counter))
    assert (page.locator("#slot .offer").count() == 1) is offer


def test_half_an_offer_in_view_for_a_second_is_an_impression_and_nothing_else_is(
    counter: Any,
) -> None:
    page = counter.open()
    answer = draw(page)
    page.evaluate("() => offers('render', '#slot', drawn)")
    page.wait_for_timeout(500)
    assert counter.service.asked("/events") == []
    wait_for(page, lambda: counter.service.asked("/events"))
    event = counter.service.asked("/events")[0]["events"][0]
    assert event == {
        "event_id": "impression",
        "decision_id": answer["decision_id"],
        "type": "impression",
    }


def test_accept_and_dismiss_are_reported_once_and_by_keyboard(counter: Any) -> None:
    page = counter.open()
    draw(page)
    page.evaluate("""() => offers('render', '#slot', drawn, {
        accept: (decision, event) => { event.preventDefault(); window.took = decision.arm; },
        dismiss: () => { window.left = true; throw new Error('of the shop'); },
    })""")
    accept, dismiss = page.locator(".offer-accept"), page.locator(".offer-dismiss")
    title = page.text_content(".offer-title")
    assert dismiss.get_attribute("aria-label") == f"No, thanks: {title}"
    assert page.get_by_role("region", name=title).count() == 1
    accept.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("() => took === drawn.arm")
    dismiss.focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => window.left")
    assert page.locator(".offer").count() == 0
    assert page.evaluate("() => document.activeElement.id") == "slot"
    drawn = page.evaluate("() => drawn.decision_id")
    page.wait_for_function("() => JSON.parse(sessionStorage.offers).queue.length === 0")
    mine = [line["type"] for line in counter.service.journal("event") if line["decision"] == drawn]
    assert sorted(set(mine) - {"impression"}) == ["accept", "dismiss"]
    assert len(mine) == len(set(mine))


def test_a_late_answer_is_never_shown_and_is_reported_so(counter: Any) -> None:
    page = counter.open()
    counter.service.released.clear()
    counter.service.trouble["/decisions"] = "slow"
    begun = page.evaluate("() => performance.now()")
    answer = decide(page, timeout=None)
    took = page.evaluate("() => performance.now()") - begun
    assert (answer["arm"], answer["offer"], answer["reason"]) == ("nothing", None, "timeout")
    assert 290 <= took < 600
    page.evaluate("answer => offers('render', '#slot', answer)", answer)
    counter.service.released.set()
    wait_for(page, lambda: counter.service.asked("/events"))
    event = counter.service.asked("/events")[0]["events"][0]
    assert event["type"] == "not_shown"
    assert event["decision_id"] not in activated(counter)
    assert page.locator(".offer").count() == 0
    assert page.evaluate("e => offers('last', e)", EXPERIMENT)["reason"] == "none"


def test_a_page_that_was_frozen_takes_no_answer_that_is_too_old(counter: Any) -> None:
    page = counter.open(
        scripts=["window.skew = 0; const n = Date.now; Date.now = () => n() + skew;"]
    )
    answer = page.evaluate(
        """async ([e, q]) => {
            const answer = offers('decide', e, q);
            skew = 60000;
            return await answer;
        }""",
        [EXPERIMENT, {"context": CONTEXT}],
    )
    assert answer["reason"] == "timeout"


def test_the_decision_survives_to_the_next_page(counter: Any) -> None:
    page = counter.open()
    answer = decide(page)
    page.goto(f"{counter.url}/")
    page.wait_for_function("() => window.offers && offers.version")
    assert page.evaluate("e => offers('last', e)", EXPERIMENT) == answer
    page.evaluate("() => { const n = Date.now; Date.now = () => n() + 3600001; }")
    assert page.evaluate("e => offers('last', e)", EXPERIMENT)["reason"] == "none"
    assert page.evaluate("() => offers('last', 'another')")["arm"] == "nothing"


@pytest.mark.parametrize(("settings", "scripts"), [({"consent": None}, []), ({}, [GPC])])
def test_without_consent_nothing_is_stored_and_nothing_personal_is_sent(
    counter: Any, settings: Any, scripts: Any
) -> None:
    page = counter.open(settings=settings, scripts=scripts)
    for _ in range(2):
        answer = decide(
            page, unitId="me", requestKey="order-1", personalContext={"returning": True}
        )
        assert answer["decision_id"]
        page.evaluate("answer => offers('track', answer, 'accept')", answer)
    units = [asked["unit_id"] for asked in counter.service.asked("/decisions")]
    assert len(set(units)) == 1
    assert "me" not in units
    assert all(asked["context"] == CONTEXT for asked in counter.service.asked("/decisions"))
    assert all(asked["request_key"] is None for asked in counter.service.asked("/decisions"))
    page.goto(f"{counter.url}/")
    page.wait_for_function("() => window.offers && offers.version")
    decide(page)
    assert counter.service.asked("/decisions")[-1]["unit_id"] != units[0]
    assert page.evaluate(STORED) == [[], []]
    assert page.evaluate("() => document.cookie") == ""


def test_consent_can_come_later_and_go_again(counter: Any) -> None:
    page = counter.open(settings={"consent": None})
    decide(page)
    page.evaluate("() => offers('consent', true)")
    decide(page)
    first = counter.service.asked("/decisions")[-1]["unit_id"]
    page.goto(f"{counter.url}/")
    page.wait_for_function("() => window.offers && offers.version")
    assert page.evaluate(STORED) != [[], []]  # not known yet is no reason to delete
    page.evaluate("() => offers('consent', true)")
    decide(page)
    assert counter.service.asked("/decisions")[-1]["unit_id"] == first
    page.evaluate("() => offers('consent', false)")
    assert page.evaluate(STORED) == [[], []]
    decide(page)
    assert counter.service.asked("/decisions")[-1]["unit_id"] != first
    assert page.evaluate(STORED) == [[], []]


@pytest.mark.parametrize("script", [NO_STORAGE, FULL_STORAGE, OLD])
def test_blocked_or_full_storage_and_old_browsers_get_offers_too(counter: Any, script: str) -> None:
    page = counter.open(scripts=[script])
    answer = draw(page)
    page.evaluate("() => offers('render', '#slot', drawn)")
    page.evaluate("() => offers('track', drawn, 'accept')")
    assert page.locator(".offer").count() == 1
    wait_for(page, lambda: answer["decision_id"] in activated(counter))
    wait_for(page, lambda: counter.service.asked("/events"))
    assert page.evaluate("e => offers('last', e)", EXPERIMENT) == answer


def test_three_failures_silence_the_script_for_half_a_minute_across_pages(counter: Any) -> None:
    page = counter.open(prepare=lambda page: page.clock.install())
    counter.service.trouble["/decisions"] = 500
    assert [decide(page)["reason"] for _ in range(5)] == ["unavailable"] * 5
    assert len(counter.service.asked("/decisions")) == 3
    page.goto(f"{counter.url}/")
    page.wait_for_function("() => window.offers && offers.version")
    assert decide(page)["reason"] == "unavailable"
    assert len(counter.service.asked("/decisions")) == 3
    page.clock.fast_forward(31_000)
    assert [decide(page)["reason"] for _ in range(2)] == ["unavailable"] * 2
    assert len(counter.service.asked("/decisions")) == 4  # one try, and silent again
    counter.service.trouble.clear()
    page.clock.fast_forward(31_000)
    assert all(decide(page)["decision_id"] for _ in range(2))


def test_a_refused_request_says_so_and_silences_nothing(counter: Any) -> None:
    page = counter.open()
    for _ in range(4):
        assert decide(page, context={"unknown": 1})["reason"] == "refused"
    assert decide(page)["decision_id"]


def test_loaded_twice_it_acts_once(counter: Any) -> None:
    twice = f'<script async src="{counter.service_url}/sdk/v1/offers.js?again"></script>'
    page = counter.open(twice + "<div id=slot></div>")
    page.wait_for_load_state("load")
    answer = decide(page)
    page.evaluate("answer => offers('track', answer, 'accept')", answer)
    wait_for(page, lambda: counter.service.asked("/events"))
    page.wait_for_timeout(100)
    assert len(counter.service.asked("/events")) == 1


HOSTILE = [
    "<img src=x onerror=window.hacked=1>",
    '"><script>window.hacked=1</script>',
    "javascript:window.hacked=1",
    " java\tscript:window.hacked=1",
    "data:text/html,<script>window.hacked=1</script>",
    "blob:https://shop.example/1",
    "vbscript:x",
    "//evil.example\\@shop.example",
    "http://evil.example/",
    "{{constructor.constructor('window.hacked=1')()}}",
]


def test_hostile_offers_never_run(counter: Any) -> None:
    page = counter.open()
    for text in HOSTILE:
        offer = dict.fromkeys(("title", "text", "url", "image", "price", "currency"), text)
        counter.service.trouble["/decisions"] = {
            "decision_id": "x", "arm": text, "offer": offer, "reason": "policy",
            "expires_at": text,
        }  # fmt: skip
        answer = decide(page)
        assert answer["offer"] == offer
        page.evaluate("answer => offers('render', '#slot', answer)", answer)
        assert page.text_content(".offer-title") == text
        assert page.locator("#slot *").count() <= 7
        links = [link.get_attribute("href") for link in page.locator("#slot a").all()]
        sources = [image.get_attribute("src") for image in page.locator("#slot img").all()]
        assert all(url.startswith((counter.url, "https:")) for url in links + sources), text
        page.click(".offer-dismiss")
    assert page.evaluate("() => window.hacked") is None
