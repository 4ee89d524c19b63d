"""An experiment's history: revisions, model versions, candidates, and who did what."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import NotFound

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.access import Permission
from bandit_platform.domain.audit_entry import AuditEntry, subject_of
from bandit_platform.errors import ContextError
from bandit_platform.services.reporting.model_history import (
    PAGE,
    compare_versions,
    model_bytes,
    versions,
)
from bandit_platform.storage.audit_log import entries
from bandit_platform.storage.experiments import StoredExperiment
from bandit_platform.web.console.frame import page_blueprint
from bandit_platform.web.console.setup_form import tried_context
from bandit_platform.web.viewer import viewer
from dashboards.setup.history_page import (
    ComparisonPage,
    comparison_page,
    log_lines,
    revision_lines,
    version_lines,
)
from dashboards.setup.preview_page import preview_page

_LARGEST_NUMBER = 10**9


def history_blueprint(platform: Platform) -> Blueprint:
    """The pages of an experiment's past."""
    pages = page_blueprint("history", __name__)

    @pages.get("/experiments/<key>/history")
    def page(key: str) -> str:
        stored, log = platform.experiments.get(key), _log(platform, key)
        zone = stored.spec.report.time_zone
        models = versions(platform.database, key, _number("before"))
        comparison, wrong = _comparison(platform, stored)
        return render_template(
            "dashboards/history.html",
            stored=stored,
            revisions=revision_lines(
                platform.experiments.revisions(key), log, zone, stored.started_at
            ),
            versions=version_lines(models, zone),
            more=models[-1].version if len(models) == PAGE else None,
            comparison=comparison,
            context=preview_page(stored.spec, request.args, errors=wrong).fields,
            log=log_lines(log, zone),
            may_download=viewer().may(Permission.ANALYSE),
            may_change=viewer().may(Permission.CHANGE),
        )

    @pages.get("/experiments/<key>/history/models/<int:version>")
    def model(key: str, version: int) -> Response:
        blob = model_bytes(platform.database, key, min(version, _LARGEST_NUMBER))
        response = Response(blob, content_type="application/octet-stream")
        name = f"{platform.experiments.get(key).spec.key}-{version}.vw"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    return pages


def _log(platform: Platform, key: str) -> list[AuditEntry]:
    with platform.database.read() as connection:
        return entries(connection, subject=subject_of("experiment", key), most=200)


def _comparison(
    platform: Platform, stored: StoredExperiment
) -> tuple[ComparisonPage | None, dict[str, str]]:
    """Two versions side by side, where the address asks for them."""
    first, second = _number("first"), _number("second")
    if first is None or second is None:
        return None, {}
    context = tried_context(stored.spec, dict(request.args))
    try:
        found = compare_versions(
            platform.database, stored.spec.key, (first, second), context, platform.clock()
        )
    except ContextError as error:
        return None, {problem.path: problem.message for problem in error.problems}
    return comparison_page(found, stored.spec.report.time_zone), {}


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 10 or int(text) > _LARGEST_NUMBER:
        raise NotFound
    return int(text)
