"""Files to take away: tables as CSV and Parquet, an answer as one HTML page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from bandit_platform.domain.question import StoredQuestion
from bandit_platform.errors import InputError
from bandit_platform.ope.evaluating.report import EvaluationReport
from bandit_platform.services.evaluation.evaluation_page import page
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.web.console.frame import page_blueprint
from dashboards.questions.tables import over_time_table, result_table
from dashboards.report_tables import TABLES, WHOLE, report_table
from dashboards.tables import Table

_CSV = "text/csv; charset=utf-8"
_PARQUET = "application/vnd.apache.parquet"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


def downloads_blueprint(
    report: Callable[[str], ExperimentReport], whole_report: Callable[[str], ExperimentReport]
) -> Blueprint:
    """The tables of an experiment's pages, with the numbers of its report.

    Args:
        report: the report on one experiment; raises NotFoundError for an unknown key.
        whole_report: the report with its comparisons, for the tables that hold them.
    """
    files = page_blueprint("downloads", __name__)

    @files.get("/experiments/<key>/<name>.csv")
    def table(key: str, name: str) -> Response:
        if name not in TABLES:
            raise NotFound
        found = (whole_report if name in WHOLE else report)(key)
        return csv_file(report_table(found, name), f"{key}-{name}")

    return files


def csv_file(table: Table, name: str) -> Response:
    """A table as a CSV file that a browser saves under a name."""
    return as_file(table.to_csv(), f"{name}.csv", _CSV)


def as_file(content: str | bytes, name: str, kind: str) -> Response:
    """Content that a browser saves under a name and never shows as a page."""
    response = Response(content, content_type=kind)
    safe = _NOT_IN_NAMES.sub("-", name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def question_file(asked: StoredQuestion, report: EvaluationReport | None, name: str) -> Response:
    """A file of a question's answer.

    Args:
        asked: the question.
        report: its answer.
        name: of the file.
    """
    if report is None or name not in _FILES:
        raise NotFound
    make, kind = _FILES[name]
    try:
        content = make(asked, report)
    except InputError as error:
        return Response(f"{error}\n", 501, content_type="text/plain; charset=utf-8")
    return as_file(content, f"{asked.question.experiment}-{asked.question_id}-{name}", kind)


def _json(_: StoredQuestion, report: EvaluationReport) -> str:
    return json.dumps(report.to_dict(over_time=True), indent=2, allow_nan=False) + "\n"


def _page(asked: StoredQuestion, report: EvaluationReport) -> str:
    facts = (
        asked.headline,
        f"Experiment {asked.question.experiment}, asked by {asked.asked_by.name} on "
        f"{asked.created_at:%d %b %Y, %H:%M} UTC. The same on the command line: "
        f"{asked.question.command()}",
    )
    return page(report, facts=facts)


_FILES: dict[str, tuple[Callable[[StoredQuestion, EvaluationReport], str | bytes], str]] = {
    "result.csv": (lambda _, report: result_table(report).to_csv(), _CSV),
    "over-time.csv": (lambda _, report: over_time_table(report).to_csv(), _CSV),
    "result.parquet": (lambda _, report: result_table(report).to_parquet(), _PARQUET),
    "result.json": (_json, "application/json"),
    "report.html": (_page, "text/html; charset=utf-8"),
}
