"""Questions over HTTP, on the console's port."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, g, json, url_for

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.access import Key
from bandit_platform.domain.question import Question, StoredQuestion
from bandit_platform.errors import NotFoundError
from bandit_platform.web.reading import read_body
from bandit_platform.web.viewer import viewer

_BYTES = 16_384


def questions_api(platform: Platform) -> APIBlueprint:
    """The views over the platform's questions."""
    api = APIBlueprint("questions_api", __name__, url_prefix="/v1", tag="Questions")
    questions = platform.questions

    @api.post("/questions")
    @api.doc(summary="Ask a question about an experiment", operation_id="ask_question")
    def ask() -> Response:
        question = read_body(Question, _BYTES)
        _demand_open(question.experiment, "there is no experiment with this key")
        question_id = questions.ask(question, viewer().actor)
        body = json.dumps(_shown(questions.get(question_id)))
        response = Response(body, 202, content_type="application/json")
        response.headers["Location"] = url_for("questions_api.one", question=question_id)
        return response

    @api.get("/questions")
    @api.doc(summary="The newest questions", operation_id="list_questions")
    def newest() -> dict[str, Any]:
        key: Key = g.key
        return {"questions": [_shown(each) for each in questions.newest(key.experiments)]}

    @api.get("/questions/<question>")
    @api.doc(summary="A question, and its answer when there is one", operation_id="get_question")
    def one(question: str) -> dict[str, Any]:
        asked = questions.get(question)
        _demand_open(asked.question.experiment, "there is no such question")
        report = questions.report(question)
        return {
            **_shown(asked),
            "result": None if report is None else report.to_dict(over_time=True),
        }

    return api


def _demand_open(experiment: str, else_say: str) -> None:
    key: Key = g.key
    if key.experiments is not None and experiment not in key.experiments:
        raise NotFoundError(else_say)


def _shown(asked: StoredQuestion) -> dict[str, Any]:
    return {
        "question_id": asked.question_id,
        "asked_by": asked.asked_by.name,
        "question": asked.question.model_dump(mode="json"),
        "state": asked.state,
        "rows_done": asked.done,
        "rows_total": asked.total,
        "finding": asked.headline or None,
        "error": asked.error or None,
        "created_at": asked.created_at.isoformat(),
        "started_at": asked.started_at.isoformat() if asked.started_at else None,
        "finished_at": asked.finished_at.isoformat() if asked.finished_at else None,
    }
