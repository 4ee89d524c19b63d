"""Attacks in every text that the product takes: shown as they were typed, never run, on any page.

The platform is crowded, so that its pages are also seen with much on them.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.errors import InputError
from tests.browser.furnished import MAIN, Furniture, House, Programs, house
from tests.browser.payloads import BREAKING, PAYLOADS, chunks
from tests.browser.shop import needs_chromium, wait_for
from tests.browser.walk import REFUSALS, split, window, with_values
from tests.signing_in import SignedInClient, signed_in

pytestmark = needs_chromium

CROWDED = Furniture(experiments=24, arms=16, decisions=2 * len(PAYLOADS), texts=PAYLOADS)
DECIDE = f"experiments/{MAIN}/decisions"
_FIELD = re.compile(r'<(?:input|textarea|select)[^>]* name="([^"]+)"')
_FORM = re.compile(
    r'<form(?=[^>]* method="post")[^>]*?(?: action="([^"]*)")?[^>]*>(.*?)</form>', re.S
)
_PARAMETER = re.compile(r"[?&](?:amp;)?([a-z_]+)=")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("crowded"), CROWDED) as made:
        yield made


@pytest.fixture(scope="module")
def client(crowded: House) -> SignedInClient:
    return signed_in(crowded.app, crowded.platform, Role.ADMIN)


@pytest.fixture(scope="module")
def places(crowded: House, client: SignedInClient) -> tuple[list[str], dict[str, Any]]:
    pages, files = split(client, crowded)
    # of a draft, only the checklist is different from the pages of what runs
    return [path for path in pages if "/offers-" not in path or "launch" in path], files


def _unescaped(text: str) -> list[str]:
    return [payload for payload in BREAKING if payload in text]


def test_every_text_stands_on_some_page(
    client: SignedInClient, places: tuple[list[str], dict[str, Any]]
) -> None:
    """Otherwise the others would try nothing."""
    pages, _ = places
    everything = "\n".join(html.unescape(client.get(path).text) for path in pages)
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 100
    assert [text for text in PAYLOADS if text.strip() not in everything] == []


def test_names_take_no_attack(crowded: House) -> None:
    """What stands in addresses and charts as a name is refused, and no shop's text repeated."""
    programs = Programs(crowded)
    known = {"unit_id": "u", "context": {"order_value": 50.0}}
    spec = CROWDED.spec(30)
    del spec["context"]["mood"]
    decision = programs.shop(DECIDE, known).json["decision_id"]
    for text in PAYLOADS:
        for named in _specs_with_the_name(spec, text):
            _refuses(programs.team("", named))
        for body in _questions_with_the_name(known, text):
            answer = programs.shop(DECIDE, body)
            _refuses(answer)
            assert text not in str(answer.json)
        event = {"event_id": "e", "decision_id": decision, "type": text[:64]}
        for item in (event, {**event, "type": "accept", "metadata": {text: text}}):
            answer = programs.shop("events", {"events": [item]})
            assert [each["status"] for each in answer.json["events"]] == ["rejected"], answer.text
            assert text not in str(answer.json)
        with pytest.raises(InputError):
            crowded.platform.users.create(text, Role.VIEWER)
    programs.close()


def _specs_with_the_name(spec: dict[str, Any], text: str) -> Iterator[dict[str, Any]]:
    """The spec with the text where names stand."""
    yield {**spec, "key": text}
    yield {**spec, "placement": text}
    yield {**spec, text: 1}
    yield {**spec, "context": {**spec["context"], text: {"type": "boolean"}}}
    yield {**spec, "arms": [{**spec["arms"][0], "key": text}]}
    yield {**spec, "arms": [{**spec["arms"][0], "features": {text: 1.0}}]}
    yield {**spec, "reward": {**spec["reward"], text: 1.0}}
    yield {**spec, "candidates": [{"name": text}]}
    yield {**spec, "report": {"time_zone": text}}
    yield {**spec, "report": {"segments": [text]}}
    yield {**spec, "events": {"secret_only": [text]}}


def _questions_with_the_name(known: dict[str, Any], text: str) -> Iterator[dict[str, Any]]:
    """A shop's question with the text where names stand."""
    yield {**known, "context": {text[:64]: 1}}
    yield {**known, "context": {"mood": f"{text[:250]} else"}}
    yield {**known, "eligible_arms": [text[:64]]}
    yield {**known, "excluded_arms": [text[:64]]}
    yield {**known, text: 1}


def _refuses(answer: Any) -> None:
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_attack_that_got_through_would_be_noticed(a_browser: Any, crowded: House) -> None:
    with window(a_browser, crowded) as opened:
        page = opened.to(f"{crowded.url}/")
        page.evaluate("""() => { document.querySelector('main').innerHTML +=
            '<img src=x onerror=alert(1)><a href=" javascript:alert(1)">x</a>'; }""")
        wait_for(page, lambda: any("policy: script-src" in each for each in opened.complaints))
        assert {"IMG onerror", "href  javascript:alert(1)"} <= set(opened.made())


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_stored_texts_run_on_no_page(
    a_browser: Any,
    crowded: House,
    places: tuple[list[str], dict[str, Any]],
    width: int,
    scheme: str,
) -> None:
    pages, _ = places
    size = {"width": width, "height": 900}
    with window(a_browser, crowded, viewport=size, color_scheme=scheme) as opened:
        for path in [*pages, *REFUSALS]:
            page = opened.to(f"{crowded.url}{path}")
            opened.unfold()
            assert opened.made() == [], path
            assert opened.overhang() <= 0, path
            if width > 1000:
                _touch(page)
                assert opened.made() == [], path
            assert opened.complaints == [], path


def _touch(page: Any) -> None:
    """Bring up what only appears on hover or focus: explanations, labels of points."""
    for word in page.locator(".term:visible").all()[:4]:
        word.focus()
    for drawing in page.locator("[data-figure]").all():
        drawing.scroll_into_view_if_needed()
        drawing.hover(force=True)
        point = drawing.locator(".point").first
        if point.count():
            point.hover(force=True)


def test_texts_in_addresses_run_on_no_page(
    a_browser: Any,
    crowded: House,
    client: SignedInClient,
    places: tuple[list[str], dict[str, Any]],
) -> None:
    pages, _ = places
    texts = [client.get(path).text for path in pages]
    found = {name for text in texts for name in (*_PARAMETER.findall(text), *_FIELD.findall(text))}
    names = sorted(
        found - {"csrf_token"} | {"next", "older", "before", "after", "saved", "changed"}
    )
    for path in pages:
        for chunk in chunks(52):
            answer = client.get(with_values(path, names[:60], [chunk]))
            assert answer.status_code < 500, path
            assert _unescaped(answer.text) == [], path
    with window(a_browser, crowded) as opened:
        for number, path in enumerate(pages):
            address = with_values(path, names[:60], PAYLOADS[number % 90 :])
            opened.page.goto(f"{crowded.url}{address}")
            assert opened.made() == [], address
            assert opened.complaints == [], address


def test_texts_in_forms_come_back_as_they_were_typed(
    crowded: House, client: SignedInClient, places: tuple[list[str], dict[str, Any]]
) -> None:
    pages, _ = places
    forms: dict[str, set[str]] = {}
    for path in pages:
        for action, inside in _FORM.findall(client.get(path).text):
            fields = set(_FIELD.findall(inside)) - {"csrf_token"}
            if fields and "sign-out" not in action:
                forms.setdefault(action or path, set()).update(fields)
    assert len(forms) > 8
    token = client.form_secret()
    for path, fields in forms.items():
        for chunk in (*PAYLOADS[::12], *chunks(40)):
            data = {"csrf_token": token, **dict.fromkeys(fields, chunk)}
            answer = client.post(path, bare=True, data=data, follow_redirects=True)
            assert answer.status_code < 500, path
            assert _unescaped(answer.text) == [], (path, chunk)


def test_files_are_data(
    a_browser: Any,
    tmp_path: Path,
    places: tuple[list[str], dict[str, Any]],
) -> None:
    _, files = places
    assert len(files) > 8
    for path, answer in files.items():
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if path.endswith(".csv"):
            for row in csv.reader(StringIO(answer.text)):
                assert not [cell for cell in row if _is_formula(cell)], path
        elif path.endswith(".json"):
            assert json.loads(answer.text)
        elif path.endswith(".html"):
            assert "attachment" in answer.headers["Content-Disposition"]
            assert _unescaped(answer.text) == []
            _stands_as_text(a_browser, tmp_path / "report.html", answer.text)


def _is_formula(cell: str) -> bool:
    if cell[:1] in "-+" and re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?|-inf|[+-]?nan", cell):
        return False
    return cell[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"}


def _stands_as_text(browser: Any, saved: Path, text: str) -> None:
    """The saved report has no policy of a server, so whatever broke out of it would run."""
    saved.write_text(text)
    page = browser.new_page()
    heard: list[str] = []
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(saved.as_uri())
    assert heard == [saved.as_uri()]
    page.close()
