"""Which inputs property tests get: the same ones, or new ones from a seed that is printed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = """
import json
from pathlib import Path
from hypothesis import given, strategies as st

@given(st.lists(st.floats()), st.text(), st.integers())
def test_draws(numbers, text, count):
    with Path(__file__).with_suffix(".drawn").open("a") as file:
        print(json.dumps([numbers, text, count]), file=file)

def test_without_inputs():
    Path(__file__).with_suffix(".plain").touch()
"""
#: several runs in one process, because loading the product takes longest
RUNS = """
import importlib, json, sys
import pytest
runs, folder, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
for place, options in enumerate(json.loads(runs)):
    common = ["-q", "-p", "tests.support.property_tests", "--rootdir", folder]
    assert pytest.main([*common, *options, f"{folder}/test_{place}.py"]) == 0
"""


class Runs:
    """What several runs of pytest in one process drew and printed."""

    def __init__(self, folder: Path, *options: list[str], loaded: tuple[str, ...] = ()) -> None:
        folder.mkdir()
        self.files = [folder / f"test_{place}.py" for place in range(len(options))]
        for file in self.files:
            file.write_text(FILE)
        command = [sys.executable, "-c", RUNS, json.dumps(options), str(folder), *loaded]
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        self.printed = ran.stdout
        self.drawn = [file.with_suffix(".drawn").read_text() for file in self.files]
        self.all_tests_ran = [file.with_suffix(".plain").exists() for file in self.files]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Without options, with two seeds, and twice with a seed that is drawn."""
    folder = tmp_path_factory.mktemp("runs") / "tests"
    return Runs(folder, [], ["--fuzz-seed", "1"], ["--fuzz-seed", "2"], ["--fuzz"], ["--fuzz"])


@pytest.fixture(scope="module")
def seeds(runs: Runs) -> list[str]:
    """The printed seeds, each of them printed at the end of a run."""
    return re.findall(r"repeat this run with --fuzz-seed (\d+)", runs.printed)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory, seeds: list[str]) -> Runs:
    """The same runs backwards in another process, which loads some of the product first."""
    options = [*(["--fuzz-seed", seed] for seed in reversed(seeds)), []]
    folder = tmp_path_factory.mktemp("repeated") / "tests"
    return Runs(folder, *options, loaded=("bandit_platform.settings", "bandit_platform.errors"))


def test_every_run_in_fuzz_mode_prints_its_seed(seeds: list[str]) -> None:
    assert seeds[:2] == ["1", "2"]
    assert len(set(seeds)) == 4


def test_a_run_without_options_or_with_the_same_seed_draws_the_same(
    runs: Runs, repeated: Runs
) -> None:
    assert repeated.drawn == runs.drawn[::-1]


def test_fuzz_mode_draws_anew(runs: Runs) -> None:
    assert len(set(runs.drawn)) == len(runs.drawn)


def test_fuzz_mode_runs_property_tests_only(runs: Runs) -> None:
    assert runs.all_tests_ran == [True, False, False, False, False]
