"""The list of experiments, and one experiment's overview."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from flask import Blueprint, current_app, render_template, request

from bandit_platform.domain.access import Permission
from bandit_platform.domain.lifecycle import State
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.web.console.frame import page_blueprint, static_file
from bandit_platform.web.viewer import viewer
from dashboards.glossary import TERMS
from dashboards.overview.experiment_filter import ExperimentFilter
from dashboards.overview.experiment_list import experiment_lines
from dashboards.overview.guidance import first_experiment
from dashboards.overview.page import experiment_page
from dashboards.overview.unread import unread_lines


def console_blueprint(
    list_experiments: Callable[[], Sequence[ExperimentReport]],
    report: Callable[[str], ExperimentReport],
    *,
    reward_window: Callable[[str], timedelta | None] = lambda _: None,
    service_url: str = "http://127.0.0.1:8080",
    archived: Callable[[], Sequence[ExperimentReport]] = list,
    per_day: Callable[[str], float | None] = lambda _: None,
    states: Callable[[], Mapping[str, State]] = dict,
) -> Blueprint:
    """The pages over two services.

    Args:
        list_experiments: a report for each experiment, in the order to show them.
        report: the report on one experiment; raises NotFoundError for an unknown key.
        reward_window: an experiment's reward window, to say when its first decision matures.
        service_url: where the shop asks for decisions; it appears in commands only.
        archived: reports of the archived experiments, for who asks for them.
        per_day: an experiment's decisions a day; None where that is not known.
        states: of every experiment, also of those whose spec cannot be read.
    """
    pages = page_blueprint("console", __name__)

    @pages.get("/")
    def experiments() -> str:
        wanted = ExperimentFilter.of(request.args)
        known = {} if wanted.archived else states()
        reports = (archived if wanted.archived else list_experiments)()
        found, cut = wanted.cut(wanted.shown(reports))
        return render_template(
            "dashboards/experiments.html",
            lines=experiment_lines(found, per_day),
            cut=cut,
            wanted=wanted,
            choices=wanted.choices(reports),
            may_create="setup.new" in current_app.view_functions
            and viewer().may(Permission.CHANGE),
            unread=unread_lines(known, {report.experiment for report in reports}),
            guidance=first_experiment(),
        )

    @pages.get("/experiments/<key>")
    def experiment(key: str) -> str:
        page = experiment_page(
            report(key), service_url=service_url.rstrip("/"), window=reward_window(key)
        )
        return render_template("dashboards/experiment.html", page=page, terms=TERMS)

    pages.add_url_rule("/static/<name>", "static_file", static_file, methods=["GET"])
    return pages
