"""The marker ``processes``: tests that start processes of the platform.

They alone may be tried again by ``scripts/second_try.py``, because a busy machine may let such a
process miss a deadline. A test that starts one without the marker fails, so the marker cannot be
forgotten; ``--failures-to`` writes down which tests failed and whether they are marked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest

MARKER = "processes"
#: ``bandit-platform …``, ``python -m bandit_platform …``, ``gunicorn …``
_PROGRAMS = {"bandit-platform", "bandit_platform", "gunicorn"}

_started: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--failures-to``."""
    parser.getgroup("second try").addoption(
        "--failures-to",
        type=Path,
        metavar="FILE",
        help="write the tests that failed as JSON, each with whether it starts processes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker; where tests run one after another, collects the failures."""
    config.addinivalue_line("markers", f"{MARKER}: starts processes of the platform")
    path = config.option.failures_to
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(path))
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    """Notes the processes of the platform that are started here."""
    if event == "subprocess.Popen":
        command = arguments[1]
        words = command.split() if isinstance(command, str) else [str(each) for each in command]
        if _PROGRAMS & {PurePath(word).name for word in words[:3]}:
            _started.append(" ".join(words))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Fixtures may start processes."""
    yield from _watched(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Tests may start processes."""
    yield from _watched(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Says in the report whether the test is marked; its keywords hold names of folders too."""
    report = yield
    report.starts_processes = item.get_closest_marker(MARKER) is not None
    return report


def _watched(item: pytest.Item) -> Iterator[None]:
    _started.clear()
    yield
    if _started and not item.get_closest_marker(MARKER):
        pytest.fail(f"starts a process without @pytest.mark.{MARKER}: {_started[0]}", pytrace=False)


class Failures:
    """What failed in a run, for ``scripts/second_try.py``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, bool] = {}
        #: failures that belong to no test, such as files that cannot be collected
        self._others: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes a test that failed."""
        if report.failed:
            marked = getattr(report, "starts_processes", False)  # a worker that died says nothing
            self._tests[report.nodeid] = marked

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notes a file that cannot be collected."""
        if report.failed:
            self._others.append(report.nodeid)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Notes an error of pytest itself."""
        self._others.append(str(excrepr).splitlines()[-1])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Writes everything down."""
        if stopped := session.shouldfail or session.shouldstop:
            self._others.append(str(stopped))  # the remaining tests did not run
        found = {"status": int(exitstatus), "tests": self._tests, "others": self._others}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(found, indent=2))
