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
from bandit_platform.services.evaluation.export_register import (
    REGISTER,
    kind_of,
    registered_exports,
)
from bandit_platform.services.evaluation.exported_files import SearchedFile, forget_in_exports
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


def test_a_row_group_of_one_unit_alone_can_be_forgotten_and_others_after_it(
    tmp_path: Path,
) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    path = tmp_path / "log.parquet"
    rows = [{"unit_id": unit, "decision_id": f"{unit}-1"} for unit in ("ann", "bob", "cy")]
    with ParquetWriter(path, pa.Table.from_pylist(rows).schema) as writer:
        for row in rows:
            writer.write_table(pa.Table.from_pylist([row]))
    for left, unit in ((2, "ann"), (1, "bob"), (0, "cy")):
        (found,) = forget_in_exports([(path, Kind.PARQUET)], unit, [])
        assert found == SearchedFile(path=path, rows=1)
        assert sum(content(path, path.name).values()) == left


def test_an_empty_row_group_is_searched(tmp_path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    path = tmp_path / "log.parquet"
    rows = pa.Table.from_pylist([{"unit_id": "ann", "decision_id": "1"}])
    with ParquetWriter(path, rows.schema) as writer:
        writer.write_table(rows.slice(0, 0))
        writer.write_table(rows)
    assert forget_in_exports([(path, Kind.PARQUET)], "ann", [])[0].rows == 1


@pytest.mark.parametrize("mishap", ["ArrowNotImplementedError", "ArrowKeyError", "ArrowException"])
def test_what_arrow_cannot_do_is_told_and_the_rest_is_forgotten(
    logged: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mishap: str
) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    def fail(*_: Any) -> None:
        raise getattr(pa, mishap)("no")

    out = exported(logged, tmp_path / "log.parquet", "parquet")
    monkeypatch.setattr(ParquetFile, "read_row_group", fail)
    found = forgotten(logged, {out: Kind.PARQUET})
    assert found.exports[0].trouble == "cannot be read as what was exported"
    assert found.rows["decisions"] == 30
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_whether_a_file_is_packed_is_read_from_it_and_not_from_its_name(
    logged: World, tmp_path: Path
) -> None:
    packed = exported(logged, tmp_path / "log.csv.gz", "csv").rename(tmp_path / "archive.csv")
    plain = exported(logged, tmp_path / "log.json.gz", "dsjson")
    expected = of_ann(logged)
    found = forgotten(logged, {path: kind_of(path) for path in (packed, plain)})
    assert [each.rows for each in found.exports] == [expected, expected]


def test_an_event_whose_id_is_no_text_is_not_the_units(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text('{"EventId": [1]}\n{"EventId": "mine"}\n')
    (found,) = forget_in_exports([(path, Kind.DSJSON)], "ann", {"mine"})
    assert found == SearchedFile(path=path, rows=1)
    assert path.read_text() == '{"EventId": [1]}\n'
