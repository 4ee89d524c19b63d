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


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What ``/readyz`` says."""

    #: why the process cannot do its work; None when it can
    why: str | None = None
    warnings: tuple[str, ...] = ()


def serving_readiness(registry: Registry, journal: JournalWriter, upkeep: Upkeep) -> Readiness:
    """A server is ready when it knows experiments and can record what it answers."""
    if not registry.loaded:
        return Readiness(why=registry.trouble)
    return Readiness(
        why=journal.trouble(),
        warnings=(*_stale(registry), *worker_warnings(upkeep)),
    )


def worker_warnings(upkeep: Upkeep) -> tuple[str, ...]:
    """What to say when no worker is there: it died, it was stopped, or it was never started."""
    if not upkeep.database_answers or upkeep.worker_leads:
        return ()
    ended = upkeep.led_until
    since = f" since {ended.isoformat(timespec='seconds')}" if ended else ""
    return (f"no worker leads{since}; nothing is lost, and nothing is learned",)


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
