"""Which failed tests are tried again, and what a run says of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "second_try.py"
BEGINNING = """
from pathlib import Path
import subprocess
import pytest

processes = pytest.mark.processes

def only_once(name):
    flag = Path(__file__).with_name(name)
    first = not flag.exists()
    flag.touch()
    assert not first

def start():
    subprocess.run(["true", "bandit-platform", "serve"], check=True)
"""
FLAKY = """
@processes
@pytest.mark.parametrize("number", range({}))
def test_flaky(number):
    only_once(f"flaky-{{number}}")
"""
UNMARKED = """
def test_unmarked():
    only_once("unmarked")
"""
BROKEN = """
@processes
def test_broken():
    raise AssertionError
"""
IN_A_FIXTURE = """
@pytest.fixture
def slow_start():
    only_once("fixture")

@processes
def test_with_a_fixture(slow_start):
    pass
"""
FINE = """
def test_fine():
    pass
"""
STARTING = """
def test_starting():
    start()
"""
STARTING_FIXTURE = """
@pytest.fixture
def started():
    start()

def test_started(started):
    pass
"""

Ran = subprocess.CompletedProcess[str]
AGAIN = "FAILED, AND TRIED ONCE MORE, ALONE:"
PASSED = "PASSED ONLY AT THE SECOND TRY; FIX THESE TESTS:"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """Runs the script over a file of tests."""

    def script(*tests: str, options: tuple[str, ...] = ()) -> Ran:
        (tmp_path / "test_it.py").write_text("".join([BEGINNING, *tests]))
        (tmp_path / "conftest.py").write_text('pytest_plugins = ("tests.support.process_tests",)')
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # starts sooner
            "PYTEST_ADDOPTS": f"-p xdist.plugin --rootdir {tmp_path}",
        }
        return subprocess.run(
            [sys.executable, str(SCRIPT), *options],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return script


@pytest.mark.parametrize("options", [(), ("--numprocesses=2",)], ids=["alone", "in parallel"])
def test_what_is_marked_may_pass_at_the_second_try_and_is_named(
    run: Callable[..., Ran], options: tuple[str, ...]
) -> None:
    ran = run(FLAKY.format(2), IN_A_FIXTURE, FINE, options=options)
    assert ran.returncode == 0, ran.stdout
    for what in (AGAIN, PASSED):
        named = ran.stdout.partition(what)[2].partition("!!!")[0].split()
        assert sorted(name.partition("::")[2] for name in named) == [
            "test_flaky[0]",
            "test_flaky[1]",
            "test_with_a_fixture",
        ]
    assert "3 passed" in ran.stdout  # those alone, not the whole run again


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ((UNMARKED,), "test_unmarked starts no processes"),
        ((FLAKY.format(1), UNMARKED), "test_unmarked starts no processes"),
        ((FLAKY.format(4),), "4 tests failed, and at most 3 are tried again"),
    ],
    ids=["unmarked", "unmarked among others", "too many"],
)
def test_anything_else_fails_the_run(
    run: Callable[..., Ran], tests: tuple[str, ...], why: str
) -> None:
    ran = run(*tests)
    assert ran.returncode == 1
    assert why in ran.stdout
    assert AGAIN not in ran.stdout


def test_what_fails_twice_fails_the_run(run: Callable[..., Ran]) -> None:
    ran = run(BROKEN, FLAKY.format(1))
    assert ran.returncode == 1
    assert "FAILED TWICE:" in ran.stdout
    assert PASSED not in ran.stdout


def test_a_file_that_cannot_be_collected_fails_the_run(run: Callable[..., Ran]) -> None:
    ran = run(FLAKY.format(1), "import no_such_module")
    assert ran.returncode == 2
    assert AGAIN not in ran.stdout


def test_a_run_that_stopped_early_is_not_saved_by_a_second_try(run: Callable[..., Ran]) -> None:
    """The tests that did not run may fail."""
    ran = run(FLAKY.format(1), UNMARKED, options=("--exitfirst",))
    assert ran.returncode == 1
    assert "stopping after 1 failures" in ran.stdout
    assert AGAIN not in ran.stdout


def test_a_folder_with_the_marker_s_name_marks_nothing(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    folder = tmp_path / "processes"
    folder.mkdir()
    flag = "Path(__file__).with_name('flag')"
    lines = (f"first = not {flag}.exists()", f"{flag}.touch()", "assert not first")
    body = "".join(f"    {line}\n" for line in lines)
    (folder / "test_inside.py").write_text(f"from pathlib import Path\ndef test_inside():\n{body}")
    ran = run(FINE)
    assert ran.returncode == 1
    assert "test_inside starts no processes" in ran.stdout


def test_nothing_is_tried_again_where_everything_passes(run: Callable[..., Ran]) -> None:
    ran = run(FINE)
    assert ran.returncode == 0
    assert AGAIN not in ran.stdout


@pytest.mark.parametrize("tests", [STARTING, STARTING_FIXTURE], ids=["test", "fixture"])
def test_what_starts_a_process_of_the_platform_unmarked_fails(
    run: Callable[..., Ran], tests: str
) -> None:
    ran = run(tests)
    assert ran.returncode == 1
    assert "starts a process without @pytest.mark.processes" in ran.stdout
    marked = run(tests.replace("def test", "@processes\ndef test"))
    assert marked.returncode == 0, marked.stdout


def test_another_command_may_run_the_tests(run: Callable[..., Ran], tmp_path: Path) -> None:
    runner = tmp_path / "runner.sh"
    runner.write_text(f'#!/bin/sh\necho "as asked"\nexec {sys.executable} -m pytest "$@"\n')
    runner.chmod(0o755)
    ran = run(FLAKY.format(1), options=(f"--runner={runner}",))
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("as asked") == 2
    assert PASSED in ran.stdout
