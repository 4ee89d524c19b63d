"""Takes screenshots of a running console: every page, wide and narrow, light and dark.

    python scripts/screenshots.py --url 'http://127.0.0.1:8081/link/…'

The address is the one that signs in, as the demo prints it; it works once. Writes PNG files into
``screenshots/``, which git ignores. Needs the test extra and Chromium.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
#: pages of an experiment
PARTS = (
    "",
    "policies",
    "segments",
    "decisions",
    "deployments",
    "deployments/hold",
    "setup",
    "setup/launch",
    "setup/plan",
    "history",
)
OTHERS = {
    "questions": "questions/",
    "new-question": "questions/new",
    "quality": "quality",
    "new-experiment": "experiments/new",
    "keys": "settings",
    "users": "settings/users",
    "audit-log": "settings/audit-log",
    "account": "account",
}


def main() -> None:
    """Parse the command line and take the pictures."""
    parser = argparse.ArgumentParser(description="Screenshots of a running console.")
    parser.add_argument("--url", required=True, help="one-time address that signs in")
    parser.add_argument("--out", type=Path, default=Path("screenshots"), help="folder to write to")
    parser.add_argument("--only", default="", help="take only pages whose name contains this")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        people = signed_in(browser, options.url)
        base = "{0.scheme}://{0.netloc}".format(urlsplit(options.url))
        for name, address in pages(people, base).items():
            if options.only in name:
                for path in take(browser, people, name, address, options.out):
                    print(path)
        browser.close()


def signed_in(browser: Browser, url: str) -> BrowserContext:
    """A browser's session, begun by a one-time address."""
    people = browser.new_context()
    page = people.new_page()
    page.goto(url)
    if page.locator("form.who").count() == 0:
        sys.exit("this address does not sign in; take a fresh one-time link")
    page.close()
    return people


def pages(people: BrowserContext, url: str) -> dict[str, str]:
    """Name and address of every page: the lists, those of each experiment, and the others."""
    page = people.new_page()
    page.goto(f"{url}/")
    keys = [row.get_attribute("data-experiment") for row in page.locator("[data-experiment]").all()]
    page.close()
    found = {
        f"{key}-{part or 'overview'}": f"{url}/experiments/{key}/{part}".rstrip("/")
        for key in keys
        for part in PARTS
    }
    found |= {name: f"{url}/{path}" for name, path in OTHERS.items()}
    return {"list": f"{url}/", **found, "unknown": f"{url}/experiments/no-such-experiment"}


def take(
    browser: Browser, people: BrowserContext, name: str, address: str, folder: Path
) -> list[Path]:
    """One picture per size and colour scheme."""
    taken = []
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            page = browser.new_page(
                storage_state=people.storage_state(),
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type] # light or dark
            )
            page.goto(address)
            wait_until_drawn(page)
            path = folder / f"{name.replace('/', '-')}-{size}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
            page.close()
            taken.append(path)
    return taken


def wait_until_drawn(page: Page) -> None:
    """Wait for every figure of the page."""
    for chart in page.locator("[data-figure]").all():
        chart.and_(page.locator("[data-drawn]")).wait_for()


if __name__ == "__main__":
    main()
