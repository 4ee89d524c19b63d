"""The data quality page."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, render_template

from bandit_platform.bootstrap import Platform
from bandit_platform.services.serving.upkeep import Upkeep
from bandit_platform.web.console.frame import page_blueprint
from dashboards.glossary import TERMS
from dashboards.quality_page import quality_page
from dashboards.text import moment


def quality_blueprint(platform: Platform, look: Callable[[], Upkeep]) -> Blueprint:
    """The page over the platform and its upkeep."""
    pages = page_blueprint("quality", __name__)

    @pages.get("/quality")
    def page() -> str:
        made = quality_page(platform.quality(look()))
        now = platform.clock()
        return render_template(
            "dashboards/quality.html", page=made, now=now, as_of=moment(now, "UTC"), terms=TERMS
        )

    return pages
