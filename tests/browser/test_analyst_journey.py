"""An analyst's journey: dashboard, segment, question, export; and its figures are the report's."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.services.asking.answer import Answerer
from tests.browser.furnished import MAIN, ORDINARY, House, house
from tests.browser.shop import needs_chromium
from tests.browser.walk import window

pytestmark = [needs_chromium, pytest.mark.processes]

#: each row's cells by name: the number for machines and the bounds below it
_CELLS = """rows => rows.map(row => [row.dataset.policy || row.dataset.segment,
    Object.fromEntries([...row.querySelectorAll('[data-cell]')].map(cell => {
        const value = cell.querySelector('data'), bounds = cell.querySelector('[data-lower]');
        return [cell.dataset.cell, [value && +value.value,
            bounds && +bounds.dataset.lower, bounds && +bounds.dataset.upper]];
    }))])"""


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("analyst"), ORDINARY) as made:
        yield made


@pytest.fixture(scope="module")
def told(ordinary: House) -> dict[str, Any]:
    """What the command line tells of the experiment, for programs."""
    done = subprocess.run(
        [sys.executable, "-m", "bandit_platform", "report", MAIN, "--format", "json"],
        env={**os.environ, **ordinary.settings.to_environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_from_the_dashboard_to_a_file(
    a_browser: Any, ordinary: House, told: dict[str, Any], tmp_path: Path
) -> None:
    with window(a_browser, ordinary, Role.ANALYST) as opened:
        page = opened.to(f"{ordinary.url}/")
        page.get_by_role("link", name=MAIN).click()
        assert page.locator("#finding").inner_text() == told["finding"]
        _counts_agree(page, told)

        page.get_by_role("link", name="Policies", exact=True).click()
        policies = {each["name"]: each for each in told["policies"]}
        page.locator("tr[data-policy]").first.wait_for()
        found = dict(page.locator("tr[data-policy]").evaluate_all(_CELLS))
        assert set(found) == set(policies)
        for name, cells in found.items():
            assert _agree(cells["value"], policies[name]["value"]), name
            assert cells["ess"][0] == policies[name]["ess"], name

        page.get_by_role("link", name="Segments", exact=True).click()
        page.get_by_label("Cut by").select_option("country")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**country**")
        rows = next(each for each in told["segments"] if each["field"] == "country")["rows"]
        serving = {each["segment"]: each for each in rows if each["policy"] == "logging"}
        page.get_by_label("Policy").select_option("logging")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**policy=logging**")
        cut = dict(page.locator("tr[data-segment]").evaluate_all(_CELLS))
        assert set(cut) == set(serving)
        for name, cells in cut.items():
            assert cells["n"][0] == serving[name]["n"], name
            assert cells["ess"][0] == serving[name]["ess"], name

        page.get_by_role("link", name="Overview").click()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="policies (CSV)").click()
        saved = tmp_path / "policies.csv"
        waiting.value.save_as(saved)
        _file_agrees(saved, policies)

        page.get_by_role("link", name="Ask a question about").click()
        page.get_by_label("Cut by").select_option("country")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_text("Waiting for the worker.").wait_for()
        answerer = Answerer(ordinary.platform.database, ordinary.clock, "of this test")
        while answerer.answer_next():
            pass
        page.get_by_role("heading", name="Take it away").wait_for()
        assert page.locator("#values tbody tr").count() > 1
        assert opened.complaints == []


def _counts_agree(page: Any, told: dict[str, Any]) -> None:
    found = page.locator("[data-count]").evaluate_all(
        "all => Object.fromEntries(all.map(each => [each.dataset.count, +each.value]))"
    )
    named = {name: count for name, count in found.items() if name in told["counts"]}
    assert len(named) > 5
    assert named == {name: told["counts"][name] for name in named}


def _agree(cell: list[float | None], row: dict[str, Any]) -> bool:
    if row["collecting"]:
        return cell == [None, None, None]
    return cell == [row["value"], row["lower"], row["upper"]]


def _file_agrees(saved: Path, policies: dict[str, Any]) -> None:
    rows = list(csv.DictReader(StringIO(saved.read_text(encoding="utf-8-sig"))))
    assert {row["name"] for row in rows} == set(policies)
    for row in rows:
        assert float(row["ess"]) == policies[row["name"]]["ess"]
