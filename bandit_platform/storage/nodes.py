"""How far each serving node's journal has been moved into the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from bandit_platform.storage.statements import from_micros, insert, table, to_micros
from bandit_platform.storage.tables import NodeRow

_NODE = table(NodeRow)
_SHORT = 8


@dataclass(frozen=True, kw_only=True)
class Node:
    """A serving node, by its journal."""

    node_id: str
    #: name of its machine
    host: str
    #: everything it acknowledged up to this moment is in the database
    drained_until: datetime
    #: when one of its processes was last heard of, by its own clock
    seen_at: datetime
    #: when maturity stopped waiting for it; None while it waits
    given_up_at: datetime | None = None

    @property
    def label(self) -> str:
        """Machine and the beginning of the identity, for people."""
        return f"{self.host} ({self.node_id[:_SHORT]})"


def nodes(connection: Connection) -> tuple[Node, ...]:
    """Every node that may hold records which are not in the database."""
    rows = connection.execute(select(_NODE).order_by(_NODE.c.host, _NODE.c.node_id))
    return tuple(_node(row) for row in rows)


def find_node(connection: Connection, node_id: str) -> Node | None:
    """One node, if it is known."""
    row = connection.execute(select(_NODE).where(_NODE.c.node_id == node_id)).one_or_none()
    return None if row is None else _node(row)


def note_node(
    connection: Connection,
    node_id: str,
    host: str,
    now: datetime,
    *,
    drained_until: datetime | None = None,
    first_drained_until: datetime | None = None,
) -> None:
    """Say that a node lives, and how far it has drained its journal; maturity waits for it again.

    Args:
        connection: a transaction that writes.
        node_id: of the node.
        host: name of its machine.
        now: by its clock.
        drained_until: see :class:`Node`; None leaves what is stored.
        first_drained_until: for a node that is not known yet, where ``drained_until`` is None.
    """
    first = drained_until or first_drained_until or now
    changed: dict[str, Any] = {"host": host, "seen_at": to_micros(now), "given_up_at": None}
    statement = insert(connection, _NODE).values(
        node_id=node_id, drained_until=to_micros(first), **changed
    )
    if drained_until is not None:
        changed["drained_until"] = to_micros(drained_until)
    connection.execute(statement.on_conflict_do_update(index_elements=["node_id"], set_=changed))


def give_up_node(connection: Connection, node: Node, now: datetime) -> bool:
    """Stop maturity from waiting for a node; False if it reported in the meantime."""
    statement = update(_NODE).where(
        _NODE.c.node_id == node.node_id, _NODE.c.seen_at == to_micros(node.seen_at)
    )
    return connection.execute(statement.values(given_up_at=to_micros(now))).rowcount == 1


def remove_node(connection: Connection, node: Node) -> bool:
    """Remove a node; False if it reported in the meantime."""
    statement = delete(_NODE).where(
        _NODE.c.node_id == node.node_id, _NODE.c.seen_at == to_micros(node.seen_at)
    )
    return connection.execute(statement).rowcount == 1


def _node(row: Row[Any]) -> Node:
    return Node(
        node_id=row.node_id,
        host=row.host,
        drained_until=from_micros(row.drained_until),
        seen_at=from_micros(row.seen_at),
        given_up_at=None if row.given_up_at is None else from_micros(row.given_up_at),
    )
