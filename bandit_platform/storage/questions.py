"""Questions: asked, taken, answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.question import Question, QuestionState, StoredQuestion
from bandit_platform.errors import NotFoundError
from bandit_platform.storage.question_tables import QuestionRow
from bandit_platform.storage.statements import from_micros, table, to_micros

_QUESTION = table(QuestionRow)
#: everything but the report, which may be long
_HEAD = [column for column in _QUESTION.c if column.name != "result"]
_OPEN = [QuestionState.QUEUED, QuestionState.RUNNING]
_TURN = int.from_bytes(b"question", "big")


def insert_question(
    connection: Connection, question_id: str, by: Actor, question: Question, now: datetime
) -> None:
    """Put a question into the queue."""
    connection.execute(
        insert(_QUESTION).values(
            question_id=question_id,
            actor_kind=by.kind,
            actor_name=by.name,
            experiment=question.experiment,
            question=question.model_dump_json(),
            state=QuestionState.QUEUED,
            done=0,
            total=0,
            attempts=0,
            headline="",
            error="",
            created_at=to_micros(now),
        )
    )


def get_question(connection: Connection, question_id: str) -> StoredQuestion:
    """One question.

    Raises:
        NotFoundError: there is none of that id.
    """
    found = connection.execute(
        select(*_HEAD).where(_QUESTION.c.question_id == question_id)
    ).one_or_none()
    if found is None:
        raise NotFoundError("there is no such question")
    return _stored(found)


def newest_questions(
    connection: Connection, limit: int, experiments: Collection[str] | None = None
) -> list[StoredQuestion]:
    """Questions, newest first; those about some experiments only, where they are named."""
    statement = select(*_HEAD).order_by(_QUESTION.c.created_at.desc(), _QUESTION.c.question_id)
    if experiments is not None:
        statement = statement.where(_QUESTION.c.experiment.in_(sorted(experiments)))
    return [_stored(row) for row in connection.execute(statement.limit(limit))]


def question_result(connection: Connection, question_id: str) -> str | None:
    """The report of a question as it was stored; None where there is none."""
    statement = select(_QUESTION.c.result).where(_QUESTION.c.question_id == question_id)
    return connection.execute(statement).scalar_one_or_none()


def open_questions(connection: Connection, by: Actor) -> int:
    """How many questions of somebody wait or run."""
    statement = select(func.count()).where(
        _QUESTION.c.actor_kind == by.kind,
        _QUESTION.c.actor_name == by.name,
        _QUESTION.c.state.in_(_OPEN),
    )
    return connection.execute(statement).scalar_one()


def questions_ahead(connection: Connection, created_at: datetime) -> int:
    """How many open questions were asked before a moment."""
    statement = select(func.count()).where(
        _QUESTION.c.state.in_(_OPEN), _QUESTION.c.created_at < to_micros(created_at)
    )
    return connection.execute(statement).scalar_one()


def has_work(connection: Connection, now: datetime, silence: timedelta) -> bool:
    """Whether a question waits, or is held by a process that has been silent for so long."""
    statement = select(_QUESTION.c.question_id).where(_free(now, silence)).limit(1)
    return connection.execute(statement).first() is not None


def take_question(
    connection: Connection, holder: str, now: datetime, silence: timedelta
) -> StoredQuestion | None:
    """Take the oldest question that waits; None if there is none, or another one is at work.

    Args:
        connection: a transaction that writes.
        holder: the process that will answer it.
        now: the present moment.
        silence: after which a process that holds a question is taken for dead.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
    at_work = and_(_QUESTION.c.state == QuestionState.RUNNING, ~_silent(now, silence))
    if connection.execute(select(_QUESTION.c.question_id).where(at_work).limit(1)).first():
        return None
    oldest = connection.execute(
        select(_QUESTION.c.question_id)
        .where(_free(now, silence))
        .order_by(_QUESTION.c.created_at, _QUESTION.c.question_id)
        .limit(1)
    ).scalar()
    if oldest is None:
        return None
    connection.execute(
        update(_QUESTION)
        .where(_QUESTION.c.question_id == oldest)
        .values(
            state=QuestionState.RUNNING,
            holder=holder,
            beat_at=to_micros(now),
            started_at=to_micros(now),
            attempts=_QUESTION.c.attempts + 1,
            done=0,
            total=0,
        )
    )
    return get_question(connection, oldest)


def still_wanted(
    connection: Connection,
    question_id: str,
    holder: str,
    now: datetime,
    *,
    done: int,
    total: int,
) -> bool:
    """Note how far the work is; False if the question was cancelled or taken by another process."""
    values = {"beat_at": to_micros(now), "done": done, "total": total}
    return _change(connection, question_id, [QuestionState.RUNNING], holder, values)


def finish_question(
    connection: Connection,
    question_id: str,
    holder: str,
    state: QuestionState,
    now: datetime,
    **values: Any,
) -> bool:
    """Store what came out; False if nobody wants it any more.

    Args:
        connection: a transaction that writes.
        question_id: the question.
        holder: the process that held it.
        state: done or failed.
        now: the present moment.
        values: rows, headline and result, or the error.
    """
    changed = {"state": state, "finished_at": to_micros(now), "holder": None, **values}
    return _change(connection, question_id, [QuestionState.RUNNING], holder, changed)


def cancel_question(connection: Connection, question_id: str, now: datetime) -> bool:
    """Give a question up; False if it is over already."""
    values = {
        "state": QuestionState.CANCELLED,
        "finished_at": to_micros(now),
        "holder": None,
    }
    return _change(connection, question_id, _OPEN, None, values)


def remove_question(connection: Connection, question_id: str) -> None:
    """Delete a question with its answer."""
    connection.execute(delete(_QUESTION).where(_QUESTION.c.question_id == question_id))


def remove_questions_before(connection: Connection, moment: datetime) -> int:
    """Delete the questions that were over before a moment, with their answers."""
    over = func.coalesce(_QUESTION.c.finished_at, _QUESTION.c.created_at)
    return connection.execute(
        delete(_QUESTION).where(_QUESTION.c.state.not_in(_OPEN), over < to_micros(moment))
    ).rowcount


def release_questions(connection: Connection, holder: str, *, died: bool) -> int:
    """Put what a process held back into the queue.

    Args:
        connection: a transaction that writes.
        holder: the process, which has ended.
        died: it ended by itself; a process that was told to end has not failed.
    """
    attempts = _QUESTION.c.attempts if died else _QUESTION.c.attempts - 1
    return connection.execute(
        update(_QUESTION)
        .where(_QUESTION.c.holder == holder, _QUESTION.c.state == QuestionState.RUNNING)
        .values(
            state=QuestionState.QUEUED, holder=None, beat_at=None, started_at=None,
            attempts=attempts, done=0, total=0,
        )
    ).rowcount  # fmt: skip


def _silent(now: datetime, silence: timedelta) -> Any:
    """The holder has not been heard of; a beat in the future is of a clock that was set back."""
    beat = _QUESTION.c.beat_at
    return or_(beat.is_(None), beat < to_micros(now - silence), beat > to_micros(now + silence))


def _free(now: datetime, silence: timedelta) -> Any:
    running = and_(_QUESTION.c.state == QuestionState.RUNNING, _silent(now, silence))
    return or_(_QUESTION.c.state == QuestionState.QUEUED, running)


def _change(
    connection: Connection,
    question_id: str,
    states: list[QuestionState],
    holder: str | None,
    values: Mapping[str, Any],
) -> bool:
    statement = update(_QUESTION).where(
        _QUESTION.c.question_id == question_id, _QUESTION.c.state.in_(states)
    )
    if holder is not None:
        statement = statement.where(_QUESTION.c.holder == holder)
    return connection.execute(statement.values(**values)).rowcount == 1


def _stored(row: Row[Any]) -> StoredQuestion:
    return StoredQuestion(
        question_id=row.question_id,
        asked_by=Actor(kind=row.actor_kind, name=row.actor_name),
        question=Question.model_validate_json(row.question),
        state=QuestionState(row.state),
        done=row.done,
        total=row.total,
        attempts=row.attempts,
        rows=row.rows,
        headline=row.headline,
        error=row.error,
        created_at=from_micros(row.created_at),
        started_at=_moment(row.started_at),
        finished_at=_moment(row.finished_at),
    )


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
