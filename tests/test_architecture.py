"""What is promised about the code itself."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from bandit_platform.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
FOLDERS = ("bandit_platform", "dashboards", "experiments", "scripts", "tests")
#: lines of a file: one idea is not cut in two to be shorter, so a few may be long
LONGEST_FILE, LONG_FILE, FEW = 600, 400, 5


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_contract_holds() -> None:
    pytest.importorskip("importlinter", reason="comes with the lint extra")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
    assert "Only policies imports vowpalwabbit" in done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "bandit_platform",
        "bandit_platform.domain.experiment",
        "bandit_platform.domain.spec_file",
        "bandit_platform.journal.reader",
        "bandit_platform.journal.writer",
        "bandit_platform.ope",
        "bandit_platform.settings",
    ],
)
def test_what_needs_no_heavy_library_imports_none(module: str) -> None:
    heavy = {"vowpalwabbit", "sqlalchemy", "sqlmodel", "alembic", "flask", "httptools", "plotly"}
    code = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    assert python(code) == ""


IMPORT_EVERYTHING = """
import importlib, pkgutil, sys, threading
import flask, sqlalchemy, vowpalwabbit

done = []

def made(name):
    def make(*_arguments, **_options):
        done.append(name)
        raise RuntimeError(f"{name} made at import")
    return make

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])
    if writes or event in {"subprocess.Popen", "socket.connect", "socket.bind", "sqlite3.connect"}:
        done.append(f"{event} {arguments[0]}")

sqlalchemy.create_engine = made("an engine")
flask.Flask.__init__ = made("an app")
vowpalwabbit.Workspace.__init__ = made("a model")
sys.addaudithook(watch)
programs = {"bandit_platform.__main__", "bandit_platform.storage.migrations.env"}
names = []
for top in ("bandit_platform", "dashboards"):
    package = importlib.import_module(top)
    names += [m.name for m in pkgutil.walk_packages(package.__path__, f"{top}.")]
for name in sorted(set(names) - programs):
    importlib.import_module(name)
done += [t.name for t in threading.enumerate() if t is not threading.main_thread()]
print(len(names), *done, sep="|")
"""


def test_importing_any_module_does_no_work() -> None:
    count, *done = python(IMPORT_EVERYTHING).split("|")
    assert done == []
    assert int(count) > 100


def test_no_file_is_longer_than_anybody_wants_to_read() -> None:
    files = [
        path
        for folder in FOLDERS
        for suffix in ("*.py", "*.sh", "*.html", "*.css", "*.js")
        for path in (ROOT / folder).rglob(suffix)
        if ".min." not in path.name
    ]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 100
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}
    assert len([n for n in lengths.values() if n > LONG_FILE]) <= FEW


def test_every_setting_is_documented_by_its_variable_and_no_other_is() -> None:
    documented = set()
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith(f"| `{PREFIX}"):
            documented |= set(re.findall(rf"`({PREFIX}[A-Z_]+)`", line.split("|")[1]))
    known = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    assert documented == known | {f"{PREFIX}CONFIG"}
