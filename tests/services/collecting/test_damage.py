"""What is damaged, or cannot be cleared away, holds up nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bandit_platform.errors import UnreadableError
from bandit_platform.journal.reader import segments
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.serving import _stored_decision
from bandit_platform.storage.decision_search import Search, search_decisions
from bandit_platform.storage.decisions import get_decision


def test_a_damaged_decision_is_left_out_and_holds_up_none(world: Any, spec: Any) -> None:
    world.launch(spec)
    damaged, whole = world.measured(), world.measured()
    world.ingest()
    world.run(
        "UPDATE decision SET eligible = 'torn' WHERE decision_id = :id", id=damaged.decision_id
    )
    world.settle()
    assert world.one("SELECT count(*) FROM immature") == 0
    assert world.one("SELECT decision_id FROM interaction") == whole.decision_id


def test_a_damaged_decision_that_another_node_makes_again_holds_up_no_ingest(
    world: Any, spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launch(spec)
    first = world.decide("u-1", request_key="order-1")
    world.ingest()
    world.run("UPDATE decision SET pmf = 'torn' WHERE decision_id = :id", id=first.decision_id)
    monkeypatch.setattr(world, "folder", tmp_path / "another-node")
    server = world.new_server()
    server.decider._stored = _stored_decision(world.database)
    again = world.ask("u-1", request_key="order-1", server=server)
    assert again.new
    assert again.decision.decision_id == first.decision_id
    world.ingest()
    assert world.one("SELECT count(*) FROM decision") == 1
    with world.database.read() as connection:
        with pytest.raises(UnreadableError, match="ValueError"):
            get_decision(connection, first.decision_id)
        found = search_decisions(connection, Search(experiment=spec.key), after=None, limit=5)
    assert found.decisions == ()


def test_a_segment_that_cannot_be_deleted_holds_up_nothing(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.launch(spec)
    lite.decide()
    lite.server.journal.close()

    def refused(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    mover = Ingest(lite.database, lite.folder)
    with monkeypatch.context() as patch:
        patch.setattr("bandit_platform.services.collecting.ingest.remove_segment", refused)
        first, second = mover.run_once(), mover.run_once()
    assert first.records == 1
    assert (second.records, second.drained, len(segments(lite.folder))) == (0, True, 1)
    assert lite.one("SELECT count(*) FROM decision") == 1
    assert lite.one("SELECT count(*) FROM journal_position") == 1
    assert mover.run_once().drained
    assert segments(lite.folder) == []
    assert lite.one("SELECT count(*) FROM journal_position") == 0
