"""The process that answers questions: started by ``work`` when one waits, and ended with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from secrets import token_hex
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from bandit_platform.cli.notices import TOLD
from bandit_platform.errors import UnavailableError
from bandit_platform.parent import be_parent, end_with_parent

if TYPE_CHECKING:
    from bandit_platform.services.asking.questions import Questions

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 5.0
_STOP_SECONDS = 5.0
#: between looks for questions that have been kept long enough
_SWEEP_SECONDS = 3600.0
#: a question never takes the processor from decisions or learning
_NICE = 10


def answer(
    holder: Annotated[str, typer.Option("--holder", help="Name of this process.")] = "",
) -> None:
    """Answer the questions that wait, then end."""
    from bandit_platform.bootstrap import build_answerer  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    end_with_parent()
    with suppress(OSError):
        os.nice(_NICE)
    answerer = build_answerer(load_settings(), holder or new_holder())
    while answerer.answer_next():
        pass


def new_holder() -> str:
    """A name for an answering process that no other one has."""
    return f"{socket.gethostname()}-{token_hex(6)}"


class Answering:
    """Keeps one answering process at work while questions wait."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._child: subprocess.Popen[bytes] | None = None
        self._holder = ""
        self._quiet_until = 0.0
        self._sweep_at = 0.0

    def start(self, stop: Event) -> Thread:
        """Look for questions in a thread until ``stop`` is set."""
        thread = Thread(target=self.run, args=(stop,), name="answering", daemon=True)
        thread.start()
        return thread

    def run(self, stop: Event) -> None:
        """As :meth:`start`, in this thread."""
        while not stop.wait(_LOOK_SECONDS):
            self._round()
        self._end()

    def _round(self) -> None:
        now = time.monotonic()
        try:
            if self._child is not None:
                self._collect(self._child)
            elif now >= self._quiet_until and self._questions.waiting():
                self._child = self._begin()
            if now >= max(self._quiet_until, self._sweep_at):
                self._questions.remove_old()
                self._sweep_at = time.monotonic() + _SWEEP_SECONDS
        except UnavailableError as error:
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            _log.warning("questions unknown", error=str(error))
        except Exception:  # noqa: BLE001 - the thread must outlive any trouble
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            _log.exception("questions unknown")

    def _begin(self) -> subprocess.Popen[bytes]:
        self._holder = new_holder()
        environment = {**os.environ, TOLD: "1"}
        be_parent(environment)
        command = [sys.executable, "-m", "bandit_platform", "answer", "--holder", self._holder]
        return subprocess.Popen(  # noqa: S603 - our own program
            command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def _collect(self, child: subprocess.Popen[bytes]) -> None:
        status = child.poll()
        if status is None:
            return
        if status != 0:
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            _log.warning("answering ended", status=status)
        # 1 is the database's trouble, not the question's
        self._questions.release(self._holder, died=status not in {0, 1})
        self._child = None

    def _end(self) -> None:
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        with suppress(UnavailableError):
            self._questions.release(self._holder, died=False)
