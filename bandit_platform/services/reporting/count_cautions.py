"""Cautions for a report that follow from what was counted: rows that are wrong and still in it."""

from __future__ import annotations

from bandit_platform.services.reporting.report_records import Counts


def count_cautions(counts: Counts) -> tuple[str, ...]:
    """What readers should know of decisions and outcomes that came too late to be left out."""
    said = []
    if counts.disputed_late:
        said.append(
            f"{counts.disputed_late:,} of {counts.interactions + counts.holdout_interactions:,} "
            "matured decisions were answered differently by two nodes, which was noticed after "
            "they had matured: they are still in every estimate, though nobody can tell which "
            "answer the shopper saw."
        )
    if counts.late_arrivals:
        said.append(
            f"{counts.late_arrivals:,} of {counts.events:,} events were acknowledged in time but "
            "moved into the database after their decision had matured: their rewards are missing."
        )
    return tuple(said)
