"""What was exported is remembered, and exports and forgetting take turns."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.identity import pseudonym
from bandit_platform.errors import InputError, UnavailableError
from bandit_platform.services.collecting.forget import Forgotten, forget
from bandit_platform.services.evaluation import export as exports
from bandit_platform.services.evaluation.export_register import (
    REGISTER,
    exporting,
    kind_of,
    nothing_exported,
    register_draft,
    register_export,
    registered_exports,
)
from bandit_platform.services.evaluation.log_writers import Kind
from tests.services.conftest import KEY, World

ANN = "ann@shop.example"


@pytest.fixture
def logged(lite: World, spec: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """Interactions of Ann and of others, exported in several batches."""
    monkeypatch.setattr(exports, "_BATCH", 20)
    lite.launch(spec)
    for number in range(100):
        lite.decide(ANN if number % 5 == 0 else f"unit-{number % 7}", context={"country": "GB"})
    lite.settle()
    return lite


def forgotten(world: World, register: Path) -> Forgotten:
    return forget(
        world.database, world.folder, world.secret, ANN, register=register, pause=0.0, patience=0.0
    )


def test_the_register_survives_torn_lines(tmp_path: Path) -> None:
    register = tmp_path / REGISTER
    assert registered_exports(register) == {}
    register_export(register, tmp_path / "a.csv", Kind.CSV)
    with register.open("a") as file:
        file.write('{"path": "/x')
    register_export(register, tmp_path / "b.parquet", Kind.PARQUET)
    with register.open("a") as file:
        file.write('[]\n{"path": "/x", "kind": "pdf"}\n{"path": "/x')
    assert registered_exports(register) == {
        tmp_path / "a.csv": Kind.CSV,
        tmp_path / "b.parquet": Kind.PARQUET,
    }
    assert stat.S_IMODE(register.stat().st_mode) == 0o600


def test_nothing_is_forgotten_while_an_export_runs_and_all_of_it_after(
    logged: World, tmp_path: Path
) -> None:
    out, register = tmp_path / "log.csv", tmp_path / REGISTER
    running = exports.export(logged.database, KEY, out, Kind.CSV, register=register)
    next(running)
    with pytest.raises(UnavailableError, match="an export is running on this machine"):
        forgotten(logged, register)
    for _ in running:
        pass
    unit = pseudonym(logged.secret, ANN)
    assert out.read_text().count(unit) > 5
    assert forgotten(logged, register).rows["decisions"] == 20
    assert unit not in out.read_text()


def test_exports_run_together_but_not_while_a_unit_is_forgotten(tmp_path: Path) -> None:
    register = tmp_path / REGISTER
    with exporting(register, 0.0), exporting(register, 0.0):
        pass
    with (
        nothing_exported(register, 0.0),
        pytest.raises(UnavailableError, match="a unit is being forgotten"),
        exporting(register, 0.0),
    ):
        pass


def test_a_register_that_cannot_be_opened_is_told(logged: World, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be opened: No such file or directory"):
        forgotten(logged, tmp_path / "nowhere" / REGISTER)


def test_an_export_that_is_given_up_lets_go_and_leaves_nothing(
    logged: World, tmp_path: Path
) -> None:
    out, register = tmp_path / "log.csv", tmp_path / REGISTER
    running = exports.export(logged.database, KEY, out, Kind.CSV, register=register)
    next(running)
    running.close()
    assert forgotten(logged, register).exports == ()
    assert list(tmp_path.glob(".log*")) == []


def test_what_a_killed_export_left_half_written_goes(logged: World, tmp_path: Path) -> None:
    register, draft = tmp_path / REGISTER, tmp_path / ".log.csv.1f.draft"
    other = tmp_path / "precious.csv"
    for path in (draft, other):
        path.write_text("torn")
        register_draft(register, path)
    assert forgotten(logged, register).exports == ()
    assert not draft.exists()
    assert other.exists()


@pytest.mark.parametrize(("kind", "name"), [("csv", "log.csv.gz"), ("parquet", "log.parquet")])
def test_two_exports_to_one_file_do_not_mix_and_only_the_owner_may_read(
    logged: World, tmp_path: Path, kind: str, name: str
) -> None:
    out, register = tmp_path / name, tmp_path / REGISTER
    both = [
        exports.export(logged.database, KEY, out, Kind(kind), register=register) for _ in range(2)
    ]
    for each in both:
        next(each)
    drafts = list(tmp_path.glob(".log*"))
    assert len(drafts) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in drafts} == {0o600}
    for each in both:
        for _ in each:
            pass
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert forgotten(logged, register).exports[0].rows > 5


def test_a_file_that_is_replaced_keeps_who_may_read_it(logged: World, tmp_path: Path) -> None:
    out = tmp_path / "log.csv"
    out.write_text("old")
    out.chmod(0o644)
    for _ in exports.export(logged.database, KEY, out, Kind.CSV):
        pass
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert out.read_text() != "old"


def test_a_link_is_followed_so_that_the_registered_file_is_the_written_one(
    logged: World, tmp_path: Path
) -> None:
    real, link, register = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / REGISTER
    real.touch()
    link.symlink_to(real)
    for _ in exports.export(logged.database, KEY, link, Kind.CSV, register=register):
        pass
    assert link.is_symlink()
    assert forgotten(logged, register).exports[0].rows > 5


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.parquet", Kind.PARQUET),
        ("a.CSV", Kind.CSV),
        ("a.csv.gz", Kind.CSV),
        ("a.json", Kind.DSJSON),
        ("a.jsonl", Kind.DSJSON),
        ("a.dsjson.gz", Kind.DSJSON),
    ],
)
def test_a_name_tells_the_kind(name: str, kind: Kind) -> None:
    assert kind_of(Path(name)) is kind


@pytest.mark.parametrize("name", ["a", "a.gz", "a.txt", "a.xlsx", "a.parq", "a.tar.gz", ".csv"])
def test_a_name_that_tells_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"ends in \.parquet, \.csv, \.json"):
        kind_of(Path(name))
