"""Whether a process can do its own work, and what else an operator should know.

A serving process whose database is away decides as before, so it stays ready and warns: were it
not ready, a load balancer would turn a database's trouble into the shop's.
"""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.journal.writer import JournalWriter
from bandit_platform.services.serving.registry import Registry
from bandit_platform.services.serving.upkeep import Upkeep

#: A refresh that takes longer than this hangs.
_SILENCE_SECONDS = 30.0
#: A node whose journal is further behind than this holds maturity up noticeably.
NODE_BEHIND_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What ``/readyz`` says."""

    #: why the process cannot do its work; None when it can
    why: str | None = None
    warnings: tuple[str, ...] = ()


def serving_readiness(
    registry: Registry, journal: JournalWriter, upkeep: Upkeep, proxies: str | None = None
) -> Readiness:
    """A server is ready when it knows experiments and can record what it answers.

    Args:
        registry: the experiments it knows.
        journal: where it records.
        upkeep: the loop behind the decisions.
        proxies: what to say of the proxies in front; None for nothing.
    """
    if not registry.loaded:
        return Readiness(why=registry.trouble)
    return Readiness(
        why=journal.trouble(),
        warnings=(*_stale(registry), *loop_warnings(upkeep), *([proxies] if proxies else ())),
    )


def loop_warnings(upkeep: Upkeep) -> tuple[str, ...]:
    """What to say of the worker and of the nodes it waits for."""
    return (*worker_warnings(upkeep), *node_troubles(upkeep))


def worker_warnings(upkeep: Upkeep) -> tuple[str, ...]:
    """What to say when no worker is there: it died, it was stopped, or it was never started."""
    if not upkeep.database_answers or upkeep.worker_leads:
        return ()
    ended = upkeep.led_until
    since = f" since {ended.isoformat(timespec='seconds')}" if ended else ""
    return (f"no worker leads{since}; nothing is lost, and nothing is learned",)


def node_troubles(upkeep: Upkeep) -> tuple[str, ...]:
    """Nodes that maturity waits for, or no longer waits for, each with what to do."""
    said = []
    for node in upkeep.nodes:
        if node.given_up:
            said.append(
                f"node {node.label} has been silent for {node.silent_seconds:.0f} s, so "
                "maturity no longer waits for it; start it, or run: bandit-platform node retire "
                f"{node.node_id}"
            )
        elif upkeep.worker_leads and node.lag_seconds >= NODE_BEHIND_SECONDS:
            said.append(
                f"maturity waits for node {node.label}, whose journal is {node.lag_seconds:.0f} s "
                "behind; check that ingest or work runs there"
            )
    return tuple(said)


def _stale(registry: Registry) -> tuple[str, ...]:
    if registry.trouble is not None:
        return (registry.trouble,)
    if registry.damaged:
        return (
            "a damaged model was refused, and an older one or none decides; "
            "the log of this process says which",
        )
    silence = registry.silence()
    if silence > _SILENCE_SECONDS:
        return (f"nothing was heard from the database for {silence:.0f} s",)
    return ()
