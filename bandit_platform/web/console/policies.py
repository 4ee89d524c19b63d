"""The policies of one experiment, against any of them."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, render_template, request

from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.web.console.frame import page_blueprint
from dashboards.glossary import TERMS
from dashboards.policies.page import policies_page
from dashboards.policies.words import ALWAYS_NOTHING


def policies_blueprint(whole_report: Callable[[str], ExperimentReport]) -> Blueprint:
    """The page over one service.

    Args:
        whole_report: the report with its comparisons; raises NotFoundError for an unknown key.
    """
    pages = page_blueprint("policies", __name__)

    @pages.get("/experiments/<key>/policies")
    def page(key: str) -> str:
        baseline = request.args.get("baseline") or ALWAYS_NOTHING
        together = request.args.get("level") == "together"
        shown = policies_page(whole_report(key), baseline, together=together)
        return render_template("dashboards/policies.html", page=shown, terms=TERMS)

    return pages
