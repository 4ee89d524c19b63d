"""The segments of one experiment, cut by a field of its context."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, render_template, request

from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.web.console.frame import page_blueprint
from dashboards.glossary import TERMS
from dashboards.policies.segments_page import SegmentsPage, segments_csv, segments_page


def segments_blueprint(whole_report: Callable[[str], ExperimentReport]) -> Blueprint:
    """The page over one service, and its table as a file.

    Args:
        whole_report: the report with its comparisons; raises NotFoundError for an unknown key.
    """
    pages = page_blueprint("segments", __name__)

    @pages.get("/experiments/<key>/segments")
    def page(key: str) -> str:
        shown = _asked(whole_report(key))
        return render_template("dashboards/segments.html", page=shown, terms=TERMS)

    @pages.get("/experiments/<key>/segments.csv")
    def table(key: str) -> Response:
        report = whole_report(key)
        shown = _asked(report)
        field = shown.field.field if shown.field else "none"
        name = f"{report.experiment}-by-{field}.csv"
        response = Response(segments_csv(report, shown), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    return pages


def _asked(report: ExperimentReport) -> SegmentsPage:
    """The page that the address asks for."""
    return segments_page(report, request.args.get("by"), request.args.get("policy"))
