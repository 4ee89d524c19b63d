"""Questions: asked, queued, answered, given up; on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.question import QuestionState
from bandit_platform.errors import (
    ConflictError,
    NotFoundError,
    QuestionError,
)
from bandit_platform.ope.evaluating.plan import Options
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.asking.questions import (
    MOST_OPEN,
    Questions,
    pinned_until,
)
from bandit_platform.services.evaluation.evaluate_live import evaluate_live
from tests.services.asking.asked import ANA, BEN, ESTIMATORS, KEY, answer_with, asked


def test_a_question_is_queued_answered_and_kept(
    running: Any, questions: Questions, answerer: Answerer
) -> None:
    question = asked(by=("country",), where=("returning=true",), alpha=0.1)
    question_id = questions.ask(question, ANA)
    waiting = questions.get(question_id)
    assert (waiting.state, waiting.asked_by, waiting.question) == (
        QuestionState.QUEUED,
        ANA,
        question,
    )
    assert questions.report(question_id) is None
    assert questions.waiting()
    assert answerer.answer_next()
    assert not questions.waiting()
    assert not answerer.answer_next()
    done = questions.get(question_id)
    report = questions.report(question_id)
    assert report is not None
    assert (done.state, done.rows, done.error) == (QuestionState.DONE, report.n, "")
    assert done.headline
    assert (done.started_at, done.finished_at) == (running.clock(), running.clock())


def test_the_kept_answer_is_the_evaluations_to_the_last_bit(
    running: Any, questions: Questions, answerer: Answerer
) -> None:
    policies = ("serving", "greedier", "uniform", "learn:softmax")
    question_id = questions.ask(asked(*policies, by=("cart_value",)), ANA)
    answerer.answer_next()
    expected = evaluate_live(
        running.database, KEY, policies, Options(estimators=ESTIMATORS, by=("context.cart_value",))
    )
    assert questions.report(question_id) == expected


def test_questions_are_listed_newest_first(running: Any, questions: Questions) -> None:
    made = []
    for who in (ANA, BEN, ANA):
        made.append(questions.ask(asked(), who))
        running.clock.advance(1)
    assert [each.question_id for each in questions.newest()] == made[::-1]
    assert questions.newest([]) == []
    assert len(questions.newest([KEY])) == 3
    assert questions.ahead(questions.get(made[2])) == 2


def test_the_oldest_is_answered_first_and_one_at_a_time(
    running: Any, questions: Questions, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = questions.ask(asked(), ANA)
    running.clock.advance(1)
    second = questions.ask(asked(), BEN)
    other = Answerer(running.database, running.clock, "another one")
    evaluate = answer_with(monkeypatch, lambda: seen.append(other.answer_next()))
    seen: list[bool] = []
    assert answerer.answer_next()
    assert seen == [False]
    assert evaluate
    assert questions.get(first).state is QuestionState.DONE
    assert questions.get(second).state is QuestionState.QUEUED


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"policies": ()}, "policies"),
        ({"policies": ("uniform", "always:yacht")}, "policies[1]"),
        ({"policies": ("model:/etc/passwd",)}, "policies[0]"),
        ({"policies": ("learn:--cb_explore_adf -f /tmp/x",)}, "policies[0]"),
        ({"policies": ("version:99",)}, "policies[0]"),
        ({"policies": ("version:x",)}, "policies[0]"),
        ({"baseline": "nobody"}, "baseline"),
        ({"estimators": ()}, "estimators"),
        ({"estimators": ("magic",)}, "estimators"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1e-300}, "alpha"),
        ({"by": ("age",)}, "by[0]"),
        ({"where": ("country=GB", "age=7")}, "where[1]"),
        ({"since": "soon"}, "since"),
        ({"until": "late"}, "until"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "until"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field(
    lite: Any, spec: Any, changed: Any, path: str
) -> None:
    lite.launch(spec)
    questions = Questions(lite.database, lite.clock)
    with pytest.raises(QuestionError) as refused:
        questions.ask(asked(**{"policies": ("uniform",), **changed}), ANA)
    assert [problem.path for problem in refused.value.problems] == [path]
    assert questions.newest() == []


def test_a_version_that_has_seen_everything_is_refused(
    running: Any, questions: Questions, answerer: Answerer
) -> None:
    running.clock.advance(10)
    running.learn()
    newest = running.one("SELECT max(version) FROM model_version")
    with pytest.raises(QuestionError, match="not learned from"):
        questions.ask(asked(f"version:{newest}"), ANA)
    # in a period it has seen whole, that shows only when it is computed
    question_id = questions.ask(asked("version:1", until="2026-01-01"), ANA)
    answerer.answer_next()
    failed = questions.get(question_id)
    assert failed.state is QuestionState.FAILED
    assert "Ask for an older version" in failed.error


def test_an_unknown_experiment_or_question_is_not_found(questions: Questions) -> None:
    with pytest.raises(NotFoundError):
        questions.ask(asked(experiment="nowhere"), ANA)
    for look in (questions.get, lambda each: questions.cancel(each, ANA)):
        with pytest.raises(NotFoundError):
            look("nothing")


def test_one_person_may_have_so_many_open(questions: Questions) -> None:
    made = [questions.ask(asked(), ANA) for _ in range(MOST_OPEN)]
    with pytest.raises(ConflictError, match="of your questions"):
        questions.ask(asked(), ANA)
    questions.ask(asked(), BEN)
    questions.cancel(made[0], ANA)
    questions.ask(asked(), ANA)


def test_trouble_of_the_evaluation_is_told_without_its_details(
    running: Any, questions: Questions, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = questions.ask(asked(), ANA)

    def evaluate(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("bandit_platform.services.evaluation.evaluate_live.evaluate_live", evaluate)
    assert answerer.answer_next()
    failed = questions.get(question_id)
    assert failed.state is QuestionState.FAILED
    assert "log of the worker" in failed.error
    assert "secret" not in failed.error


def test_the_choices_name_what_each_policy_is(running: Any, questions: Questions) -> None:
    choices = questions.choices(KEY)
    versions = [name for name in choices if name.startswith("version:")]
    assert list(choices)[:4] == ["logging", "uniform", "serving", "greedier"]
    assert "always-something" in choices
    assert {"always:nothing", "always:upgrade", "always:insurance"} <= set(choices)
    assert versions == sorted(versions, key=lambda name: -int(name.partition(":")[2]))
    assert versions
    assert all(choices.values())
    with pytest.raises(NotFoundError):
        questions.choices("nowhere")


def test_the_command_asks_the_same() -> None:
    question = asked(
        "always:a b",
        baseline="logging",
        since="2026-11-01",
        by=("country",),
        where=("country=GB",),
        alpha=0.1,
    )
    assert question.command("2026-11-22T10:00:00+00:00") == (
        "bandit-platform evaluate --live checkout-offers --policy 'always:a b' "
        "--estimator ips,snips --baseline logging --from 2026-11-01 "
        "--to 2026-11-22T10:00:00+00:00 --by context.country --where country=GB --alpha 0.1"
    )


def test_the_end_of_the_data_is_pinned_unless_the_question_ends_before() -> None:
    last = "2026-11-22T10:00:00+00:00"
    after = "2026-11-22T10:00:00.000001+00:00"
    assert pinned_until(asked(), "UTC", last) == after
    assert pinned_until(asked(until="2026-11-30"), "UTC", last) == after
    assert pinned_until(asked(until="2026-11-22T10:00"), "UTC", last) == "2026-11-22T10:00"
