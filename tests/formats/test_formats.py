"""Every format that a release wrote is read by this version: tables, journal and exports."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.errors import LogError
from bandit_platform.journal import header
from bandit_platform.journal.reader import read_chunk
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.evaluation import export_format
from bandit_platform.services.evaluation.decision_log import read_decision_log
from bandit_platform.services.evaluation.log_parts import open_parquet
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.database import Database
from tests.conftest import FakeClock
from tests.formats.make import KEY, SECRET

FORMATS = sorted(path for path in Path(__file__).parent.iterdir() if path.name.isdigit())


@pytest.fixture(params=FORMATS, ids=lambda path: path.name)
def written(request: pytest.FixtureRequest) -> Path:
    """What a version wrote."""
    return Path(request.param)


@pytest.fixture
def summary(written: Path) -> dict[str, Any]:
    return dict(json.loads((written / "summary.json").read_text()))


@pytest.fixture
def database(written: Path, tmp_path: Path) -> Iterator[Database]:
    """Its database, brought to this version's tables."""
    path = tmp_path / "database.sqlite3"
    path.write_bytes(gzip.decompress((written / "database.sqlite3.gz").read_bytes()))
    with closing(Database(f"sqlite:///{path}")) as found:
        found.ensure_ready()
        yield found


def test_the_format_that_this_version_writes_is_there() -> None:
    assert FORMATS[-1].name == str(header.FORMAT) == str(export_format.FORMAT)


def test_decisions_are_recomputed_and_reported(database: Database, summary: dict[str, Any]) -> None:
    found = audit(database, SECRET, KEY)
    assert found.checked == summary["decisions"]
    assert found.recomputed > 0
    assert found.mismatches == ()
    report = experiment_report(database, KEY, FakeClock()())
    assert report.counts.interactions == summary["interactions"]
    assert {"serving", "policy"} <= {each.name for each in report.policies}


def test_what_waits_in_the_journal_arrives(
    database: Database, written: Path, summary: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    segment = folder / "20261122T100000000000-1-00000000.jsonl"
    shutil.copyfile(written / "journal.jsonl", segment)
    chunk = read_chunk(segment, 0)
    assert (chunk.torn, chunk.damaged) == (0, ())
    ingested = Ingest(database, folder).run_once()
    assert ingested.records == len(chunk.records)
    after = audit(database, SECRET, KEY)
    assert after.checked == summary["decisions"] + len(summary["journal_decisions"])
    assert after.mismatches == ()
    with_arms = audit(database, SECRET, "catalogue")
    assert (with_arms.checked, with_arms.mismatches) == (summary["catalogue_decisions"], ())


@pytest.mark.parametrize("name", ["export.parquet", "export.csv", "export.dsjson"])
def test_exports_are_read(written: Path, summary: dict[str, Any], name: str) -> None:
    log = read_decision_log(written / name).log
    assert len(log) == summary["interactions"]
    assert float(log.reward.mean()) == pytest.approx(summary["mean_reward"])
    assert float((1 / log.propensity).mean()) == pytest.approx(summary["mean_inverse_propensity"])


def test_an_export_of_a_later_format_is_refused(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "export.parquet"
    shutil.copyfile(written / "export.parquet", path)
    monkeypatch.setattr(export_format, "FORMAT", 0)
    for read in (read_decision_log, open_parquet):
        with pytest.raises(LogError, match="has format 1, and this version reads up to 0"):
            read(path)
