"""The process that answers questions: started when one waits, replaced when it dies, never left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest
import structlog

from bandit_platform.bootstrap import Platform, build
from bandit_platform.cli.answering import Answering
from bandit_platform.domain.actor import Actor
from bandit_platform.domain.question import Question, QuestionState
from bandit_platform.services.asking.questions import SILENCE
from bandit_platform.settings import Settings
from bandit_platform.storage.questions import take_question
from tests.support.databases import place_database

ANA = Actor(kind="user", name="ana")
QUESTION = {"policies": ("uniform",), "estimators": ("ips",)}
LONGEST = 60.0


@pytest.fixture
def platform(tmp_path: Any, spec: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A deployment in a folder that child processes find, with a started experiment."""
    settings = Settings(data_dir=place_database(tmp_path))
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    made = build(settings)
    made.apply_experiment(spec)
    yield made
    made.database.close()
    structlog.reset_defaults()


def wait_for(found: Callable[[], Any]) -> Any:
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.processes
def test_a_waiting_question_is_answered_by_a_process_of_its_own(
    platform: Platform, spec: Any
) -> None:
    asked = platform.questions.ask(Question(experiment=spec.key, **QUESTION), ANA)
    stop = Event()
    thread = Answering(platform.questions).start(stop)
    try:
        found = wait_for(lambda: not platform.questions.get(asked).state.is_open)
        assert found
        answered = platform.questions.get(asked)
        assert answered.state is QuestionState.FAILED
        assert "no interactions have matured yet" in answered.error
    finally:
        stop.set()
        thread.join()


class Sleepers(Answering):
    """Starts processes that do nothing but hold the question."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform.questions)
        self.platform = platform
        self.begun: list[Any] = []

    def _begin(self) -> Any:
        self._holder = f"process {len(self.begun)}"
        with self.platform.database.write() as connection:
            take_question(connection, self._holder, self.platform.clock(), SILENCE)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.begun.append(child)
        return child


@pytest.fixture
def sleepers(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Sleepers, Event, Thread]]:
    monkeypatch.setattr("bandit_platform.cli.answering._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("bandit_platform.cli.answering._PAUSE_SECONDS", 0.0)
    stop = Event()
    made = Sleepers(platform)
    thread = made.start(stop)
    yield made, stop, thread
    stop.set()
    thread.join()


def test_a_killed_process_is_replaced_and_its_question_taken_up_again(
    platform: Platform, spec: Any, sleepers: Any
) -> None:
    made, _stop, _thread = sleepers
    asked = platform.questions.ask(Question(experiment=spec.key, **QUESTION), ANA)
    wait_for(lambda: len(made.begun) == 1)
    os.kill(made.begun[0].pid, signal.SIGKILL)
    wait_for(lambda: len(made.begun) == 2)
    held = platform.questions.get(asked)
    assert (held.state, held.attempts) == (QuestionState.RUNNING, 2)


def test_a_worker_that_stops_ends_its_process_and_gives_the_question_back(
    platform: Platform, spec: Any, sleepers: Any
) -> None:
    made, stop, thread = sleepers
    asked = platform.questions.ask(Question(experiment=spec.key, **QUESTION), ANA)
    wait_for(lambda: len(made.begun) == 1)
    stop.set()
    thread.join()
    assert made.begun[0].poll() == -signal.SIGTERM
    waiting = platform.questions.get(asked)
    assert (waiting.state, waiting.attempts) == (QuestionState.QUEUED, 0)
