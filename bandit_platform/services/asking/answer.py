"""Answering questions: the oldest one is taken, computed and stored, and then the next.

Runs in a process of its own, so that a long evaluation never holds up ingest or learning. A
process that dies leaves its question behind; it goes back into the queue, up to three times.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread

import structlog

from bandit_platform.domain.question import QuestionState, StoredQuestion
from bandit_platform.domain.selection import parse_selection
from bandit_platform.errors import (
    EvaluationError,
    InputError,
    NotFoundError,
    PolicyError,
    UnavailableError,
)
from bandit_platform.services.asking.questions import SILENCE
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.questions import finish_question, still_wanted, take_question

_log = structlog.get_logger(__name__)
BEAT_SECONDS = 0.5
MOST_ATTEMPTS = 3
ENDED = (
    f"the process that computed it ended {MOST_ATTEMPTS} times before it was done, perhaps for "
    "want of memory. Ask for fewer policies, fewer estimators or a shorter period, and look into "
    "the log of the worker"
)
UNEXPECTED = "something unexpected went wrong; the log of the worker says what"


class _Unwanted(Exception):  # noqa: N818 - not an error
    """The question was cancelled, or another process has taken it."""


class _Pulse:
    """Tells, from a thread of its own, that the work goes on and how far it is."""

    def __init__(self, beat: Callable[[str, int, int], bool], question_id: str) -> None:
        self._beat = beat
        self._question_id = question_id
        self._reached = (0, 0)
        self._unwanted = False
        self._over = Event()
        self._thread = Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> _Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def progress(self, done: int, total: int) -> None:
        """Take note of how far the work is.

        Raises:
            _Unwanted: nobody wants the answer any more.
        """
        self._reached = (done, total)
        if self._unwanted:
            raise _Unwanted

    def _run(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                self._unwanted = not self._beat(self._question_id, *self._reached)
            except UnavailableError as error:
                _log.warning("progress not stored", error=str(error))


class Answerer:
    """One process that answers questions, one after the other."""

    def __init__(self, database: Database, clock: Callable[[], datetime], holder: str) -> None:
        """Set up.

        Args:
            database: the deployment.
            clock: gives the present moment.
            holder: name of this process, which nothing else has.
        """
        self._database = database
        self._clock = clock
        self._holder = holder

    def answer_next(self) -> bool:
        """Take and answer the oldest question; False if there is none to take."""
        with self._database.write() as connection:
            taken = take_question(connection, self._holder, self._clock(), SILENCE)
        if taken is None:
            return False
        if taken.attempts > MOST_ATTEMPTS:
            self._finish(taken, QuestionState.FAILED, error=ENDED)
            return True
        try:
            self._answer(taken)
        except _Unwanted:
            _log.info("question given up", question=taken.question_id)
        except (InputError, NotFoundError, EvaluationError, PolicyError) as error:
            self._finish(taken, QuestionState.FAILED, error=str(error))
        except UnavailableError:
            raise  # the database is away; the question goes back into the queue
        except Exception:  # noqa: BLE001 - one question must not hold up the others
            _log.exception("question failed", question=taken.question_id)
            self._finish(taken, QuestionState.FAILED, error=UNEXPECTED)
        return True

    def _answer(self, taken: StoredQuestion) -> None:
        from bandit_platform.ope.evaluating.plan import Options  # noqa: PLC0415 - slow to import
        from bandit_platform.services.asking.question_finding import question_finding  # noqa: PLC0415
        from bandit_platform.services.asking.stored_report import stored_text  # noqa: PLC0415
        from bandit_platform.services.evaluation.evaluate_live import evaluate_live  # noqa: PLC0415

        asked = taken.question
        with self._database.read() as connection:
            spec = get_experiment(connection, asked.experiment).spec
        options = Options(
            baseline=asked.baseline or None,
            alpha=asked.alpha,
            estimators=asked.estimators,
            by=tuple(f"context.{field}" for field in asked.by),
        )
        selection = parse_selection(
            spec.context,
            spec.report.time_zone,
            since=asked.since,
            until=asked.until,
            where=asked.where,
        )
        with _Pulse(self._beat, taken.question_id) as pulse:
            report = evaluate_live(
                self._database,
                asked.experiment,
                asked.policies,
                options,
                selection=selection,
                progress=pulse.progress,
            )
        self._finish(
            taken,
            QuestionState.DONE,
            rows=report.n,
            headline=question_finding(report),
            result=stored_text(report),
        )

    def _beat(self, question_id: str, done: int, total: int) -> bool:
        with self._database.write() as connection:
            return still_wanted(
                connection, question_id, self._holder, self._clock(), done=done, total=total
            )

    def _finish(self, taken: StoredQuestion, state: QuestionState, **values: object) -> None:
        with self._database.write() as connection:
            finish_question(
                connection, taken.question_id, self._holder, state, self._clock(), **values
            )
        _log.info("question answered", question=taken.question_id, state=state)
