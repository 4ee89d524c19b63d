"""The page that README tells shops to paste, in a browser and against a service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.spec_file import parse_toml
from tests.browser import shop as shops

pytestmark = shops.needs_chromium

README = (Path(__file__).parents[2] / "README.md").read_text()
SPEC = re.findall(r"<!-- file: experiment.toml -->\n```toml\n(.*?)```", README, re.DOTALL)
PAGES = re.findall(r"<!-- page -->\n```html\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("strict", [False, True])
def test_the_pasted_page_decides_at_once(a_browser: Any, tmp_path: Path, strict: bool) -> None:
    assert len(SPEC) == len(PAGES) == 1
    shop = shops.Shop()
    with (
        shops.service(tmp_path, parse_toml(SPEC[0])) as service,
        shops.listening(service) as service_url,
        shops.listening(shop) as url,
    ):
        page_text = PAGES[0].replace("http://127.0.0.1:8080", service_url)
        page_text = page_text.replace("pk_YOUR_KEY", service.key_for(url))
        # a machine that is busy with tests is no shop's server
        page_text = page_text.replace("requestKey:", "timeout: 9000, requestKey:")
        headers = {}
        if strict:  # as README says: the inline script in a file, the service in two directives
            inline = re.findall(r"<script>(.*?)</script>", page_text, re.DOTALL)
            shop.script("/own.js", inline[0])
            page_text = page_text.replace(inline[0], "").replace(
                "<script>", '<script src="/own.js">'
            )
            allowed = f"script-src 'self' {service_url}; connect-src {service_url}"
            headers["Content_Security_Policy"] = f"default-src 'none'; img-src data:; {allowed}"
        shop.page("/", page_text, **headers)
        page = a_browser.new_context().new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        with page.expect_response(re.compile("/activate")) as answer:
            page.goto(url)
        assert answer.value.status == 204
        made = service.journal("decision")
        assert len(made) == 1
        assert made[0]["deferred"] is True
        assert made[0]["context"] == {"order_value": 82.5, "country": "GB", "returning": True}
        shown = page.locator("#offer .offer").count()
        assert shown == (made[0]["draws"][0]["arm"] != "nothing")
        page.reload()  # the same request key, so the same decision
        page.wait_for_function("() => window.offers && offers.version")
        page.wait_for_timeout(100)
        assert len(service.journal("decision")) == 1
        assert complaints == []
        page.context.close()
