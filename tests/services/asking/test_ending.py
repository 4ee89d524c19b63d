"""Questions that end before their answer: cancelled, removed, given up; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.domain.question import QuestionState
from bandit_platform.errors import (
    EvaluationError,
    NotFoundError,
    NotYoursError,
)
from bandit_platform.services.asking import answer
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.asking.questions import (
    KEPT,
    SILENCE,
    Questions,
)
from bandit_platform.storage.audit_log import Sought, entries
from tests.services.asking.asked import ANA, BEN, KEY, answer_with, asked


def test_a_waiting_question_can_be_cancelled_once(questions: Questions, answerer: Answerer) -> None:
    question_id = questions.ask(asked(), ANA)
    assert questions.cancel(question_id, ANA)
    assert not questions.cancel(question_id, ANA)
    assert not answerer.answer_next()
    assert questions.get(question_id).state is QuestionState.CANCELLED


def test_only_who_asked_ends_a_question(questions: Questions) -> None:
    question_id = questions.ask(asked(), ANA)
    for end in (questions.cancel, questions.remove):
        with pytest.raises(NotYoursError, match="ana asked this question"):
            end(question_id, BEN)
    assert questions.get(question_id).state is QuestionState.QUEUED
    assert questions.cancel(question_id, BEN, of_anybody=True)


def test_a_removed_question_is_gone_and_the_removal_is_noted(
    running: Any, questions: Questions, answerer: Answerer
) -> None:
    question_id, other = questions.ask(asked(), ANA), questions.ask(asked(), ANA)
    assert answerer.answer_next()
    questions.remove(question_id, BEN, of_anybody=True)
    questions.remove(other, ANA)  # it waits still
    assert not answerer.answer_next()
    assert questions.newest() == []
    with pytest.raises(NotFoundError):
        questions.get(question_id)
    with running.database.read() as connection:
        (noted,) = entries(connection, sought=Sought(subject=f"question:{question_id}"), most=5)
    assert (noted.what, noted.by) == ("question.removed", BEN)
    assert [each.before for each in noted.difference] == [KEY, "ana"]


def test_questions_are_kept_for_so_long_after_they_are_over(
    running: Any, questions: Questions
) -> None:
    given_up, waits = questions.ask(asked(), ANA), questions.ask(asked(), ANA)
    questions.cancel(given_up, ANA)
    running.clock.advance(KEPT.total_seconds() - 1)
    assert questions.remove_old() == 0
    running.clock.advance(2)
    assert questions.remove_old() == 1
    assert [each.question_id for each in questions.newest()] == [waits]


def test_a_running_question_ends_soon_after_it_was_cancelled(
    running: Any,
    questions: Questions,
    answerer: Answerer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer, "BEAT_SECONDS", 0.001)
    question_id = questions.ask(asked(), ANA)
    rounds = 0

    def evaluate(*_: Any, progress: Any, **__: Any) -> Any:
        nonlocal rounds
        questions.cancel(question_id, ANA)
        for rounds in range(100_000):
            progress(rounds, 100_000)
            answer.Event().wait(0.001)
        raise AssertionError

    monkeypatch.setattr("bandit_platform.services.evaluation.evaluate_live.evaluate_live", evaluate)
    assert answerer.answer_next()
    assert rounds < 10_000
    assert questions.get(question_id).state is QuestionState.CANCELLED
    assert questions.report(question_id) is None


def test_progress_is_stored_while_it_runs(
    running: Any,
    questions: Questions,
    answerer: Answerer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer, "BEAT_SECONDS", 0.001)
    question_id = questions.ask(asked(), ANA)
    seen: list[tuple[QuestionState, int, int]] = []

    def evaluate(*_: Any, progress: Any, **__: Any) -> Any:
        progress(30, 100)
        for _round in range(10_000):
            found = questions.get(question_id)
            seen.append((found.state, found.done, found.total))
            if found.done:
                break
            answer.Event().wait(0.001)
        raise EvaluationError("enough seen")

    monkeypatch.setattr("bandit_platform.services.evaluation.evaluate_live.evaluate_live", evaluate)
    answerer.answer_next()
    assert seen[-1] == (QuestionState.RUNNING, 30, 100)
    assert questions.get(question_id).error == "enough seen"


def test_what_a_dead_process_held_goes_back_into_the_queue(
    running: Any, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = questions.ask(asked(), ANA)
    die(running, monkeypatch)
    assert questions.get(question_id).state is QuestionState.RUNNING
    assert questions.release("a dead process", died=True) == 1
    again = questions.get(question_id)
    assert (again.state, again.attempts, again.started_at) == (QuestionState.QUEUED, 1, None)
    assert Answerer(running.database, running.clock, "the next").answer_next()
    assert questions.get(question_id).state is QuestionState.DONE


def die(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process take the next question and end in the middle of it."""

    class Killed(BaseException):
        pass

    def evaluate(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("bandit_platform.services.evaluation.evaluate_live.evaluate_live", evaluate)
        with pytest.raises(Killed):
            Answerer(world.database, world.clock, "a dead process").answer_next()


def test_a_process_that_fell_silent_is_taken_for_dead(
    running: Any, questions: Questions, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = questions.ask(asked(), ANA)
    die(running, monkeypatch)
    running.clock.advance(SILENCE / timedelta(seconds=2))
    assert not questions.waiting()
    assert not answerer.answer_next()
    running.clock.advance(SILENCE.total_seconds())
    assert questions.waiting()
    assert answerer.answer_next()
    assert questions.get(question_id).state is QuestionState.DONE


def test_a_question_that_kills_its_process_fails_in_the_end(
    running: Any, questions: Questions, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = questions.ask(asked(), ANA)
    for _round in range(answer.MOST_ATTEMPTS):
        die(running, monkeypatch)
        questions.release("a dead process", died=True)
    assert answerer.answer_next()
    failed = questions.get(question_id)
    assert failed.state is QuestionState.FAILED
    assert "want of memory" in failed.error


def test_ending_a_process_on_purpose_is_no_attempt(
    running: Any, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = questions.ask(asked(), ANA)
    for _round in range(answer.MOST_ATTEMPTS + 2):
        die(running, monkeypatch)
        questions.release("a dead process", died=False)
    assert questions.get(question_id).attempts == 0
    assert questions.get(question_id).state is QuestionState.QUEUED


def test_a_process_that_lost_its_question_changes_nothing(
    running: Any, questions: Questions, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    question_id = questions.ask(asked(), ANA)
    answer_with(monkeypatch, lambda: questions.release("an answering process", died=True))
    answerer.answer_next()
    assert questions.get(question_id).state is QuestionState.QUEUED
    assert questions.report(question_id) is None
