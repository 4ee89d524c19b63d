"""Every page of the console, from its table of routes, and windows that notice all complaints.

A new route is walked without being named here. One whose address takes something new needs an
example of it below; until it has one the walk fails and says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.services.people.users import Purpose
from dashboards.report_tables import TABLES
from tests.browser.furnished import MAIN, House
from tests.signing_in import sign_in_path

#: addresses for programs and parts of pages
_NO_PAGES = ("/v1/", "/healthz", "/readyz", "/metrics", "/openapi", "/docs", "/static/")
_QUESTION_FILES = ("result.csv", "over-time.csv", "result.parquet", "result.json", "report.html")
#: pages that say no
REFUSALS = (
    "/experiments/no-such-experiment",
    f"/experiments/{MAIN}/decisions/{'0' * 48}",
    f"/experiments/no-such-experiment/decisions/{'0' * 48}",
    "/questions/no-such-question",
    "/settings/keys/no-such-key",
    "/settings/users/no-such-user",
    "/no/such/page",
    "/sign-out",
)
#: what a page may hold that an attack would have made
_MADE = r"""() => {
    const found = [], links = /^(xlink:href|href|action|formaction|src)$/i;
    const elsewhere = /^\W*(javascript|data|vbscript):|^\s*[\/\\]{2}/i;
    const drawing = /^data:image\/(png|svg)/;
    for (const each of document.querySelectorAll('*')) {
        for (const {name, value} of each.attributes) {
            if (/^on/i.test(name)) found.push(`${each.tagName} ${name}`);
            if (links.test(name) && elsewhere.test(value) && !drawing.test(value))
                found.push(`${name} ${value}`);
        }
    }
    const foreign = 'iframe, object, embed, base, marquee, math, animate, set, foreignObject, ' +
        'audio, video, img, isindex, script:not([src]):not([type="application/json"]), ' +
        'meta[content*=evil]';
    for (const each of document.querySelectorAll(foreign)) found.push(each.outerHTML.slice(0, 200));
    return found;
}"""
_LISTEN = """addEventListener('securitypolicyviolation', event =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


def examples(house: House) -> Mapping[str, Sequence[object]]:
    """Values for what addresses take, by name; ``endpoint name`` wins over ``name``."""
    platform = house.platform
    keys = [each.spec.key for each in platform.experiments.all()]
    main = max(keys, key=lambda key: platform.report(key).counts.decisions, default="")
    others = [key for key in sorted(keys) if key != main]
    issued = {each.key.publishable: each.key.key_id for each in platform.keys.all()}
    users = [user.name for user in platform.users.all()]
    return {
        "key": [main, *others[:1]] if keys else [],
        "decision_id": house.decisions[-2:],
        "question": [each.question_id for each in platform.questions.newest()],
        "questions.file name": _QUESTION_FILES,
        "downloads.table name": list(TABLES),
        "step": ["hold", "pin"],
        "settings.user_page name": users,
        "key_id": list(issued.values()),
        "version": [1],
        "action": [Action.PAUSE, Action.START],
        "token": [platform.users.link(users[0], purpose=Purpose.PASSWORD).path.rpartition("/")[2]]
        if users
        else [],
    }


def addresses(house: House) -> dict[str, list[str]]:
    """Endpoint → its addresses, for every route that a browser may open."""
    values = examples(house)
    found: dict[str, list[str]] = {}
    with house.app.test_request_context():
        for rule in house.app.url_map.iter_rules():
            if "GET" not in rule.methods or rule.rule.startswith(_NO_PAGES):
                continue
            names = sorted(rule.arguments)
            missing = [each for each in names if _of(values, rule.endpoint, each) is None]
            assert not missing, f"{rule.rule}: give the walk an example of {missing}"
            choices = [_of(values, rule.endpoint, each) or () for each in names]
            for chosen in itertools.product(*choices):
                path = rule.build(dict(zip(names, map(str, chosen), strict=True)))[1]
                found.setdefault(rule.endpoint, []).append(path)
    return found


def _of(
    values: Mapping[str, Sequence[object]], endpoint: str, name: str
) -> Sequence[object] | None:
    return values.get(f"{endpoint} {name}", values.get(name))


def split(client: Any, house: House) -> tuple[list[str], dict[str, Any]]:
    """Addresses of pages, and of files with the answers.

    Args:
        client: a signed-in test client of the console.
        house: with the console.
    """
    pages: dict[tuple[str, int, str], str] = {}
    files: dict[str, Any] = {}
    paths = ((endpoint, path) for endpoint, found in addresses(house).items() for path in found)
    for endpoint, path in paths:
        answer = client.get(path)
        assert answer.status_code < 500, (path, answer.text)
        disposition = answer.headers.get("Content-Disposition", "")
        if answer.status_code == 200 and (disposition or answer.mimetype != "text/html"):
            files[path] = answer
        elif answer.mimetype == "text/html":
            # of pages that say no, one a route is enough
            pages[endpoint, answer.status_code, path if answer.status_code == 200 else ""] = path
    return list(pages.values()), files


class Window:
    """A page, with everything about which it complained."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.add_init_script(_LISTEN)
        page.on("console", lambda message: self._note(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dialog)

    def _note(self, text: str) -> None:
        # Chromium itself says so wherever a page is a refusal
        if not text.startswith("Failed to load resource: the server responded with a status of 4"):
            self.complaints.append(text)

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def to(self, address: str) -> Any:
        """Open a page and wait for its charts."""
        self.page.goto(address, wait_until="load")
        for chart in self.page.locator("[data-figure]").all():
            chart.and_(self.page.locator("[data-drawn]")).wait_for()
        return self.page

    def unfold(self) -> None:
        """Open everything that is folded."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")

    def made(self) -> list[str]:
        """Elements and attributes that no page of ours has."""
        found: list[str] = self.page.evaluate(_MADE)
        return found

    def overhang(self) -> int:
        """By how many pixels the page is wider than the window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found


@contextmanager
def window(
    browser: Any, house: House, role: Role | None = Role.ADMIN, **options: Any
) -> Iterator[Window]:
    """A window of somebody signed in, or of a stranger."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    opened = Window(context.new_page())
    if role is not None:
        opened.page.goto(f"{house.url}{sign_in_path(house.platform, role)}?next=/account")
    yield opened
    context.close()


def with_values(path: str, names: Sequence[str], values: Sequence[str]) -> str:
    """The address with parameters, each with another of the values."""
    pairs = zip(names, itertools.cycle(values), strict=False)
    return f"{path}?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
