"""Runs every test; retries up to three failed tests that start processes.

    python scripts/second_try.py [--runner=COMMAND] [pytest arguments]

The command that runs pytest is COMMAND, such as scripts/test.sh, else pytest of this Python.

A busy machine may let a process of the platform miss a deadline. Such tests carry the marker
``processes``; at most three of them are tried again, and their names are printed loudly, because
each is a flaky test to fix. Any other failure fails the run. Exit status 0: everything passed, some
tests perhaps at the second try; otherwise that of pytest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

MOST = 3


def main() -> int:
    """The exit status of the run, after a second try where one is allowed."""
    runner, arguments = _asked(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="bandit-platform-") as folder:
        failures = Path(folder) / "failures.json"
        status = _run(runner, *arguments, f"--failures-to={failures}")
        if status != 1:  # everything passed, or the run itself failed
            return status
        failed = json.loads(failures.read_text())
    refused = _refusal(failed["tests"], failed["others"])
    if refused:
        print(f"NO SECOND TRY: {refused}")
        return status
    names = list(failed["tests"])
    _shout("FAILED, AND TRIED ONCE MORE, ALONE:", names)
    again = _run(runner, "--numprocesses=0", *names)
    _shout("FAILED TWICE:" if again else "PASSED ONLY AT THE SECOND TRY; FIX THESE TESTS:", names)
    return again


def _refusal(tests: dict[str, bool], others: list[str]) -> str | None:
    """Why nothing is tried again; None where something may be."""
    unmarked = [name for name, marked in tests.items() if not marked]
    if others:
        return f"not a test's failure: {others[0]}"
    if unmarked:
        return f"{unmarked[0]} starts no processes"
    if not 1 <= len(tests) <= MOST:
        return f"{len(tests)} tests failed, and at most {MOST} are tried again"
    return None


def _asked(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The command that runs pytest, and its arguments."""
    option = "--runner="
    if arguments and arguments[0].startswith(option):
        return [arguments[0].removeprefix(option)], arguments[1:]
    return [sys.executable, "-m", "pytest"], arguments


def _run(runner: list[str], *arguments: str) -> int:
    command = [*runner, *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - arguments of the caller


def _shout(what: str, names: list[str]) -> None:
    bar = "!" * 100
    print("\n".join(["", bar, what, *(f"    {name}" for name in names), bar, ""]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
