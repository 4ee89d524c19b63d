"""Counting page traffic by key, unit and address, in the transaction that stores it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.page_source import TOTAL, PageSource, SourceKind, kept_sources
from bandit_platform.storage.database import Connection
from bandit_platform.storage.page_sources import (
    page_sources,
    put_page_sources,
    remove_page_sources,
)

_Sources = dict[str, PageSource]


def count_page_decisions(connection: Connection, decisions: Iterable[Decision]) -> None:
    """Count decisions asked for with publishable keys as they are stored."""
    by_experiment: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        if not decision.trusted:
            by_experiment[decision.experiment].append(decision)
    for experiment, asked in by_experiment.items():
        known = _known(connection, experiment)
        for kind in SourceKind:
            _count_kind(connection, experiment, kind, known[kind], asked)


def count_page_outcomes(connection: Connection, outcomes: Iterable[tuple[Decision, bool]]) -> None:
    """Count matured decisions by arm, each with whether its reward was above the default.

    Sources that are not kept are in the sums alone.
    """
    by_experiment: dict[str, list[tuple[Decision, bool]]] = defaultdict(list)
    for decision, rewarded in outcomes:
        if not decision.trusted:
            by_experiment[decision.experiment].append((decision, rewarded))
    for experiment, matured in by_experiment.items():
        counts: dict[tuple[SourceKind, str, str], list[int]] = defaultdict(lambda: [0, 0])
        for decision, rewarded in matured:
            for kind in SourceKind:
                for name in {TOTAL, _name(decision, kind) or TOTAL}:
                    count = counts[kind, name, decision.arm]
                    count[0] += 1
                    count[1] += rewarded
        known = _known(connection, experiment)
        changed: dict[tuple[SourceKind, str], PageSource] = {}
        for (kind, name, arm), (number, rewards) in counts.items():
            source = changed.get((kind, name)) or known[kind].get(name)
            if source is not None:
                changed[kind, name] = source.with_outcomes(arm, number, rewards)
        put_page_sources(connection, experiment, changed.values())


def _count_kind(
    connection: Connection,
    experiment: str,
    kind: SourceKind,
    known: _Sources,
    asked: Sequence[Decision],
) -> None:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for decision in asked:
        name = _name(decision, kind)
        for each in (TOTAL,) if name is None else (TOTAL, name):
            counts[each][decision.over_limit] += 1
    before = known.get(TOTAL) or PageSource(kind=kind, name=TOTAL, rank=0)
    changed = {
        name: (known.get(name) or PageSource(kind=kind, name=name, rank=before.rank)).plus(*added)
        for name, added in counts.items()
    }
    total = changed.pop(TOTAL)
    others = {name: source for name, source in known.items() if name != TOTAL}
    total, kept = kept_sources(total, {**others, **changed}.values())
    put_page_sources(
        connection, experiment, [total, *(each for each in changed.values() if each.name in kept)]
    )
    remove_page_sources(connection, experiment, kind, others.keys() - kept)


def _known(connection: Connection, experiment: str) -> Mapping[SourceKind, _Sources]:
    known: dict[SourceKind, _Sources] = {kind: {} for kind in SourceKind}
    for each in page_sources(connection, experiment):
        known[each.kind][each.name] = each
    return known


def _name(decision: Decision, kind: SourceKind) -> str | None:
    """What a decision is counted under; None where that is not known."""
    if kind is SourceKind.KEY:
        return decision.key_id
    return decision.unit if kind is SourceKind.UNIT else decision.address
