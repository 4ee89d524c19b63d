"""Asking questions about an experiment, and reading their answers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.question import (
    Question,
    StoredQuestion,
    policy_choices,
    question_problems,
)
from bandit_platform.domain.revision import Change
from bandit_platform.domain.selection import parse_moment
from bandit_platform.errors import ConflictError, NotYoursError, Problem, QuestionError
from bandit_platform.services.asking.stored_report import report_from
from bandit_platform.storage.audit_log import note
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.interactions import number_of_nth
from bandit_platform.storage.models import versions_by_number
from bandit_platform.storage.questions import (
    cancel_question,
    get_question,
    has_work,
    insert_question,
    newest_questions,
    open_questions,
    question_result,
    questions_ahead,
    release_questions,
    remove_question,
    remove_questions_before,
)

if TYPE_CHECKING:
    from bandit_platform.ope.evaluating.report import EvaluationReport

#: questions that one person may have waiting or running
MOST_OPEN = 5
#: questions that a list shows
MOST_LISTED = 200
#: how long a question is kept after it was answered or given up
KEPT = timedelta(days=180)
#: silence after which a process that answers is taken for dead
SILENCE = timedelta(seconds=20)
#: versions that a form offers
_VERSIONS = 6
IN_SAMPLE = (
    "this version has learned from every interaction there is; a model may only be valued on "
    "interactions it has not learned from. Ask for an older version, or wait for more decisions to "
    "mature"
)


class Questions:
    """The questions of a deployment."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], keep: timedelta = KEPT
    ) -> None:
        self._database = database
        self._clock = clock
        #: how long a question is kept after it was answered or given up
        self.keep = keep

    def ask(self, question: Question, by: Actor) -> str:
        """Put a question into the queue.

        Returns:
            Its id.

        Raises:
            NotFoundError: there is no such experiment.
            QuestionError: it cannot be asked like that, with every reason and its field.
            ConflictError: too many questions of this person wait already.
        """
        question_id = token_hex(8)
        with self._database.write() as connection:
            specs = _specs(connection, question.experiment)
            problems = [
                *question_problems(question, specs, _estimators()),
                *_version_problems(connection, question),
            ]
            if problems:
                raise QuestionError(problems)
            if open_questions(connection, by) >= MOST_OPEN:
                raise ConflictError(
                    f"{MOST_OPEN} of your questions wait or run already; wait for one of them, or "
                    "cancel it"
                )
            insert_question(connection, question_id, by, question, self._clock())
        return question_id

    def get(self, question_id: str) -> StoredQuestion:
        """One question.

        Raises:
            NotFoundError: there is no such question.
        """
        with self._database.read() as connection:
            return get_question(connection, question_id)

    def newest(self, experiments: Collection[str] | None = None) -> list[StoredQuestion]:
        """Questions, newest first; about some experiments only, where they are named."""
        with self._database.read() as connection:
            return newest_questions(connection, MOST_LISTED, experiments)

    def report(self, question_id: str) -> EvaluationReport | None:
        """The answer; None where there is none."""
        with self._database.read() as connection:
            text = question_result(connection, question_id)
        return None if text is None else report_from(text)

    def ahead(self, question: StoredQuestion) -> int:
        """How many questions come before this one."""
        with self._database.read() as connection:
            return questions_ahead(connection, question.created_at)

    def cancel(self, question_id: str, by: Actor, *, of_anybody: bool = False) -> bool:
        """Give a question up; False if it was over already.

        Args:
            question_id: the question.
            by: who asks for it.
            of_anybody: whether it may be somebody else's.

        Raises:
            NotFoundError: there is no such question.
            NotYoursError: it is somebody else's.
        """
        with self._database.write() as connection:
            _own(connection, question_id, by, of_anybody=of_anybody)
            return cancel_question(connection, question_id, self._clock())

    def remove(self, question_id: str, by: Actor, *, of_anybody: bool = False) -> None:
        """Delete a question with its answer; one that is at work is given up by that.

        Args and errors as for :meth:`cancel`.
        """
        with self._database.write() as connection:
            asked = _own(connection, question_id, by, of_anybody=of_anybody)
            remove_question(connection, question_id)
            subject = subject_of("question", question_id)
            gone = [
                Change(path="experiment", before=asked.question.experiment, after=None),
                Change(path="asked by", before=asked.asked_by.name, after=None),
            ]
            note(connection, self._clock(), by, "question.removed", subject, difference=gone)

    def remove_old(self) -> int:
        """Delete the questions that have been over for as long as they are kept."""
        with self._database.write() as connection:
            return remove_questions_before(connection, self._clock() - self.keep)

    def choices(self, experiment: str) -> dict[str, str]:
        """Policies that can be asked about, with what each is; the newest versions among them.

        A version that has learned from every interaction there is cannot be valued, so it is not.

        Raises:
            NotFoundError: there is no such experiment.
        """
        with self._database.read() as connection:
            specs = _specs(connection, experiment)
            versions = versions_by_number(connection, experiment)
            newest = [
                number
                for number in sorted(versions, reverse=True)[:_VERSIONS]
                if number_of_nth(connection, experiment, versions[number] + 1) is not None
            ]
        return {
            **policy_choices(specs),
            **{f"version:{number}": _version_words(versions[number]) for number in newest},
        }

    def waiting(self) -> bool:
        """Whether there is a question to answer."""
        with self._database.read() as connection:
            return has_work(connection, self._clock(), SILENCE)

    def release(self, holder: str, *, died: bool) -> int:
        """Put back into the queue what a process held that has ended."""
        with self._database.write() as connection:
            return release_questions(connection, holder, died=died)


def _own(
    connection: Connection, question_id: str, by: Actor, *, of_anybody: bool
) -> StoredQuestion:
    asked = get_question(connection, question_id)
    if asked.asked_by != by and not of_anybody:
        raise NotYoursError(
            f"{asked.asked_by.name} asked this question; only they or an administrator may do that"
        )
    return asked


def _version_words(interactions: int) -> str:
    return (
        f"A published model; it learned from the first {interactions:,} interactions and is valued "
        "on later ones only."
    )


def _specs(connection: Connection, experiment: str) -> list[ExperimentSpec]:
    get_experiment(connection, experiment)
    return [stored.spec for stored in revisions(connection, experiment)]


def _estimators() -> tuple[str, ...]:
    from bandit_platform.ope.evaluating.plan import ESTIMATORS  # noqa: PLC0415 - numpy is slow to import

    return ESTIMATORS


def _version_problems(connection: Connection, question: Question) -> list[Problem]:
    """Versions that are not stored, or have learned from everything."""
    known = versions_by_number(connection, question.experiment)
    problems = []
    for path, policy in [
        *((f"policies[{place}]", policy) for place, policy in enumerate(question.policies)),
        ("baseline", question.baseline),
    ]:
        kind, _, number = policy.partition(":")
        if kind != "version" or not number.isdecimal():
            continue
        learned = known.get(int(number))
        if learned is None:
            there = f"versions {min(known)} to {max(known)}" if known else "no versions yet"
            problems.append(Problem(path=path, message=f"is not stored; there are {there}"))
        elif number_of_nth(connection, question.experiment, learned + 1) is None:
            problems.append(Problem(path=path, message=IN_SAMPLE))
    return problems


def pinned_until(question: Question, zone: str, decided_until: str) -> str:
    """An end of the period that leaves out what matured after the answer was computed.

    Args:
        question: what was asked.
        zone: the experiment's time zone.
        decided_until: when the last decision valued was made, ISO 8601.
    """
    after = datetime.fromisoformat(decided_until) + timedelta(microseconds=1)
    if question.until:
        asked = parse_moment(question.until, zone, name="to", whole_day=True)
        if asked <= after:
            return question.until
    return after.isoformat()
