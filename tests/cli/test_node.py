"""The commands that list and retire nodes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bandit_platform.bootstrap import build
from bandit_platform.settings import Settings
from bandit_platform.storage.nodes import note_node


def test_nodes_are_listed_and_retired(run: Any, tmp_path: Path) -> None:
    assert (run("node", "list").out, run("node", "list", "--format", "json").out) == ("", "[]\n")
    platform = build(Settings(data_dir=tmp_path / "data"))
    seen = datetime.now(UTC) - timedelta(minutes=5)
    with platform.database.write() as connection:
        note_node(connection, "0123456789abcdef", "shop-2", seen)
    (row,) = json.loads(run("node", "list", "--format", "json").out)
    assert (row["node_id"], row["host"]) == ("0123456789abcdef", "shop-2")
    assert row["drained_until"] == row["seen_at"] == seen.isoformat()
    assert "shop-2  in the database until" in run("node", "list").out
    missing = run("node", "retire", "shop-3")
    assert (missing.status, missing.out) == (2, "")
    assert missing.err == "there is no such node; bandit-platform node list shows all nodes\n"
    assert run("node", "retire", "shop-2").out == "shop-2 (01234567) is retired.\n"
    assert run("node", "list").out == ""
    (entry,) = platform.audit_log()
    assert (entry.what, entry.subject) == ("node.retired", "node:0123456789abcdef")
    platform.database.close()
