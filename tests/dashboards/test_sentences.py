"""Templates raise the first letter of a sentence and leave names within it alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

import dashboards

TEMPLATES = Path(dashboards.__file__).parent / "templates"


@pytest.mark.parametrize("call", ["sentence(text)", "caution('caution: ' ~ text)"])
def test_names_within_a_sentence_keep_their_letters(call: str) -> None:
    pages = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    source = f'{{% import "dashboards/parts.html" as parts %}}{{{{ parts.{call} }}}}'
    said = pages.from_string(source).render(text="the ESS is 12; the baseline always:VIP")
    assert "The ESS is 12; the baseline always:VIP." in said


def test_no_template_lowers_what_it_did_not_write() -> None:
    lowering = [
        page.name for page in TEMPLATES.rglob("*.html") if "| capitalize" in page.read_text()
    ]
    assert lowering == []
