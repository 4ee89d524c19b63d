"""Questions: the list, the form, one question with its answer, and what can be taken away."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.access import Permission
from bandit_platform.domain.question import QuestionState, StoredQuestion
from bandit_platform.errors import ConflictError, NotFoundError, NotYoursError, QuestionError
from bandit_platform.web.console.downloads import question_file
from bandit_platform.web.console.frame import page_blueprint
from bandit_platform.web.viewer import viewer
from dashboards.glossary import TERMS
from dashboards.questions.form import (
    Choices,
    QuestionForm,
    address_of,
    choices_from,
    first_choices,
    question_form,
    question_from,
)
from dashboards.questions.page import answer, progress, question_line


def questions_blueprint(platform: Platform) -> Blueprint:
    """The pages over the platform's questions."""
    pages = page_blueprint("questions", __name__, url_prefix="/questions")
    pages.register_error_handler(NotFoundError, _unknown)
    pages.register_error_handler(NotYoursError, _not_yours)
    questions, experiments = platform.questions, platform.experiments

    def zone_of(key: str) -> str:
        return experiments.get(key).spec.report.time_zone

    def form(key: str, choices: Choices | None, **wrong: object) -> QuestionForm:
        known = questions.choices(key)
        spec = experiments.get(key).spec
        return question_form(spec, known, choices or first_choices(known), **wrong)  # type: ignore[arg-type]

    @pages.get("/")
    def all_questions() -> str:
        zones = {each.spec.key: each.spec.report.time_zone for each in experiments.all()}
        lines = [
            question_line(each, zones.get(each.question.experiment, "UTC"), platform.clock())
            for each in questions.newest()
        ]
        days = questions.keep.days
        return render_template("dashboards/questions.html", lines=lines, days=days)

    @pages.get("/new")
    def new() -> str:
        key = request.args.get("experiment", "")
        if not key:
            keys = [each.spec.key for each in experiments.all()]
            return render_template("dashboards/question_new.html", keys=keys)
        said = request.args.to_dict(flat=False)
        choices = choices_from(said) if set(said) - {"experiment"} else None
        return render_template("dashboards/question_form.html", form=form(key, choices))

    @pages.post("/new")
    def ask() -> AnyResponse:
        key, choices = request.form.get("experiment", ""), choices_from(_sent())
        try:
            asked = questions.ask(question_from(key, choices), viewer().actor)
        except QuestionError as error:
            return _again(form(key, choices, problems=error.problems), 422)
        except ConflictError as error:
            return _again(form(key, choices, trouble=str(error)), 409)
        return redirect(url_for("questions.one", question=asked), 303)

    @pages.get("/<question>")
    def one(question: str) -> str:
        asked = questions.get(question)
        zone = zone_of(asked.question.experiment)
        report = questions.report(question)
        return render_template(
            "dashboards/question.html",
            asked=asked,
            line=question_line(asked, zone, platform.clock()),
            answer=None if report is None else answer(asked, report, zone),
            ahead=questions.ahead(asked) if asked.state is QuestionState.QUEUED else 0,
            again=address_of(asked.question),
            may_end=asked.asked_by == viewer().actor or _administers(),
            days=questions.keep.days,
            zone=zone,
            terms=TERMS,
        )

    @pages.get("/<question>/progress")
    def state(question: str) -> dict[str, object]:
        asked = questions.get(question)
        return {"state": asked.state, "percent": progress(asked)}

    @pages.post("/<question>/cancel")
    def cancel(question: str) -> AnyResponse:
        questions.cancel(question, viewer().actor, of_anybody=_administers())
        return redirect(url_for("questions.one", question=question), 303)

    @pages.post("/<question>/remove")
    def remove(question: str) -> AnyResponse:
        questions.remove(question, viewer().actor, of_anybody=_administers())
        return redirect(url_for("questions.all_questions"), 303)

    @pages.post("/<question>/again")
    def again(question: str) -> AnyResponse:
        asked = questions.get(question).question
        try:
            found = questions.ask(asked, viewer().actor)
        except QuestionError as error:
            choices = _choices_of(asked_again=address_of(asked))
            return _again(form(asked.experiment, choices, problems=error.problems), 422)
        except ConflictError as error:
            choices = _choices_of(asked_again=address_of(asked))
            return _again(form(asked.experiment, choices, trouble=str(error)), 409)
        return redirect(url_for("questions.one", question=found), 303)

    @pages.get("/<question>/<name>")
    def file(question: str, name: str) -> Response:
        return question_file(_done(questions.get(question)), questions.report(question), name)

    return pages


def _sent() -> dict[str, list[str]]:
    return request.form.to_dict(flat=False)


def _choices_of(asked_again: str) -> Choices:
    from urllib.parse import parse_qs  # noqa: PLC0415 - used after a refusal only

    return choices_from(parse_qs(asked_again))


def _again(form: QuestionForm, status: int) -> Response:
    text = render_template("dashboards/question_form.html", form=form)
    return Response(text, status, content_type="text/html; charset=utf-8")


def _done(asked: StoredQuestion) -> StoredQuestion:
    if asked.state is not QuestionState.DONE:
        raise NotFoundError("this question has no answer to take away")
    return asked


def _administers() -> bool:
    return viewer().may(Permission.ADMINISTER)


def _not_yours(error: Exception) -> tuple[str, int]:
    return render_template("dashboards/question_not_yours.html", error=error), 403


def _unknown(error: Exception) -> tuple[str, int]:
    return render_template("dashboards/question_unknown.html", error=error), 404
