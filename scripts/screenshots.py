"""Takes screenshots of a running console: every page, wide and narrow, light and dark.

    python scripts/screenshots.py --url http://127.0.0.1:8081

Writes PNG files into ``screenshots/``, which git ignores. Needs the test extra and Chromium.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

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


def main() -> None:
    """Parse the command line and take the pictures."""
    parser = argparse.ArgumentParser(description="Screenshots of a running console.")
    parser.add_argument("--url", required=True, help="address of the console")
    parser.add_argument("--out", type=Path, default=Path("screenshots"), help="folder to write to")
    parser.add_argument("--only", default="", help="take only pages whose name contains this")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for name, address in pages(browser, options.url.rstrip("/")).items():
            if options.only in name:
                for path in take(browser, name, address, options.out):
                    print(path)
        browser.close()


def pages(browser: Browser, url: str) -> dict[str, str]:
    """Name and address of every page: the list, each experiment on it, and an unknown one."""
    page = browser.new_page()
    page.goto(f"{url}/")
    keys = [row.get_attribute("data-experiment") for row in page.locator("[data-experiment]").all()]
    page.close()
    found = {f"experiment-{key}": f"{url}/experiments/{key}" for key in keys}
    return {"list": f"{url}/", **found, "unknown": f"{url}/experiments/no-such-experiment"}


def take(browser: Browser, name: str, address: str, folder: Path) -> list[Path]:
    """One picture per size and colour scheme."""
    taken = []
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type] # light or dark
            )
            page.goto(address)
            wait_until_drawn(page)
            path = folder / f"{name}-{size}-{scheme}.png"
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
