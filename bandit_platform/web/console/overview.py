"""The list of experiments, and one experiment's overview."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from flask import Blueprint, render_template

from bandit_platform.services.report_records import ExperimentReport
from bandit_platform.web.console.frame import page_blueprint, static_file
from dashboards.glossary import TERMS
from dashboards.guidance import first_experiment
from dashboards.overview import experiment_lines
from dashboards.page import experiment_page


def console_blueprint(
    list_experiments: Callable[[], Sequence[ExperimentReport]],
    report: Callable[[str], ExperimentReport],
    *,
    reward_window: Callable[[str], timedelta | None] = lambda _: None,
    service_url: str = "http://127.0.0.1:8080",
) -> Blueprint:
    """The pages over two services.

    Args:
        list_experiments: a report for each experiment, in the order to show them.
        report: the report on one experiment; raises NotFoundError for an unknown key.
        reward_window: an experiment's reward window, to say when its first decision matures.
        service_url: where the shop asks for decisions; it appears in commands only.
    """
    pages = page_blueprint("console", __name__)

    @pages.get("/")
    def experiments() -> str:
        lines = experiment_lines(list_experiments())
        return render_template(
            "dashboards/experiments.html", lines=lines, guidance=first_experiment()
        )

    @pages.get("/experiments/<key>")
    def experiment(key: str) -> str:
        page = experiment_page(
            report(key), service_url=service_url.rstrip("/"), window=reward_window(key)
        )
        return render_template("dashboards/experiment.html", page=page, terms=TERMS)

    pages.add_url_rule("/static/<name>", "static_file", static_file, methods=["GET"])
    return pages
