"""Forgetting a unit reaches what was exported, and leaves every other row as it was."""

from __future__ import annotations

import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.identity import pseudonym
from bandit_platform.services.collecting.forget import Forgotten, forget
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.exported_files import (
    REGISTER,
    SearchedFile,
    forget_in_exports,
    kind_of,
    register_export,
    registered_exports,
)
from bandit_platform.services.evaluation.log_writers import Kind
from tests.services.conftest import KEY, World

FILES = [
    ("parquet", "log.parquet"),
    ("csv", "log.csv"),
    ("csv", "log.csv.gz"),
    ("dsjson", "log.json"),
]
ANN = "ann@shop.example"


@pytest.fixture
def logged(lite: World, spec: Any) -> World:
    """Interactions of Ann and of others."""
    lite.launch(spec)
    for number in range(300):
        lite.decide(ANN if number % 10 == 0 else f"unit-{number % 7}", context={"country": "=1+1"})
    lite.settle()
    lite.learn()
    return lite


def exported(world: World, out: Path, kind: str) -> Path:
    for _ in export(world.database, KEY, out, Kind(kind), register=out.parent / REGISTER):
        pass
    return out


def forgotten(world: World, exports: dict[Path, Kind]) -> Forgotten:
    return forget(world.database, world.folder, world.secret, ANN, exports=exports, pause=0.0)


def of_ann(world: World) -> int:
    unit = pseudonym(world.secret, ANN)
    return int(
        world.one(
            "SELECT count(*) FROM interaction JOIN decision USING (decision_id)"
            " WHERE unit = :unit AND reason <> 'holdout'",
            unit=unit,
        )
    )


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_only_the_units_rows_go(logged: World, tmp_path: Path, kind: str, name: str) -> None:
    out = exported(logged, tmp_path / name, kind)
    out.chmod(0o640)
    expected = of_ann(logged)
    assert expected > 5
    exports = registered_exports(tmp_path / REGISTER)
    assert exports == {out: Kind(kind)}
    found = forgotten(logged, exports)
    assert found.exports == (SearchedFile(path=out, rows=expected),)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    left = content(out, name)
    assert left == content(exported(logged, tmp_path / f"again-{name}", kind), name)
    assert forgotten(logged, exports).exports == (SearchedFile(path=out, rows=0),)
    logged_rows = EvaluationRequest(log=out, policies=("uniform",), reward_range=(-1.0, 2.0))
    assert evaluate_log(logged_rows).n == len(left)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def content(path: Path, name: str) -> Counter[str]:
    """The rows of a file."""
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq  # noqa: PLC0415

        return Counter(map(repr, pq.read_table(path).to_pylist()))
    import gzip  # noqa: PLC0415

    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    lines = data.splitlines()
    return Counter(map(repr, lines if name.endswith(".json") else lines[1:]))


def test_a_file_without_units_is_searched_by_their_decisions(logged: World, tmp_path: Path) -> None:
    """As DSJSON was written before it named the unit."""
    out = exported(logged, tmp_path / "log.json", "dsjson")
    unit = pseudonym(logged.secret, ANN)
    out.write_text(out.read_text().replace(f'"UnitId": "{unit}", ', ""))
    expected = of_ann(logged)
    assert forgotten(logged, {out: Kind.DSJSON}).exports[0].rows == expected > 5


def test_what_cannot_be_searched_is_told_and_left_alone(tmp_path: Path) -> None:
    files = {
        "gone.csv": None,
        "other.csv": b"a,b\n1,2\n",
        "empty.csv": b"",
        "other.json": b"[1]\n",
        "broken.json": b"{\n",
        "text.parquet": b"no parquet",
        "torn.csv.gz": b"\x1f\x8b\x08\x00",
    }
    for name, data in files.items():
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        (found,) = forget_in_exports([(path, kind_of(path))], "unit", ["decision"])
        assert found.rows == 0
        assert found.trouble
        assert "is not there any more" in found.trouble or data is not None
        assert data is None or path.read_bytes() == data
    assert {path.name for path in tmp_path.iterdir()} == set(files) - {"gone.csv"}


def test_the_register_survives_a_torn_line(tmp_path: Path) -> None:
    register = tmp_path / REGISTER
    assert registered_exports(register) == {}
    register_export(register, tmp_path / "a.csv", Kind.CSV)
    register_export(register, tmp_path / "b.parquet", Kind.PARQUET)
    with register.open("a") as file:
        file.write('{"path": "/x')
    assert registered_exports(register) == {
        tmp_path / "a.csv": Kind.CSV,
        tmp_path / "b.parquet": Kind.PARQUET,
    }
    assert stat.S_IMODE(register.stat().st_mode) == 0o600
