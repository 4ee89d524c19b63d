"""Cautions for a report: late disputes and late arrivals that distort its estimates."""

from __future__ import annotations

from bandit_platform.services.reporting.report_records import Counts


def count_cautions(counts: Counts) -> tuple[str, ...]:
    """What readers should know of decisions and outcomes that came too late to be left out."""
    said = []
    if counts.disputed_late:
        said.append(
            f"{counts.disputed_late:,} of {counts.interactions + counts.holdout_interactions:,} "
            "matured decisions are disputed: two nodes answered the same request differently, and "
            "it is unknown which answer the shopper saw. This was found after maturity, so these "
            "decisions are still in every estimate."
        )
    if counts.late_arrivals:
        said.append(
            f"{counts.late_arrivals:,} of {counts.events:,} events were acknowledged in time but "
            "reached the database after their decision had matured, so their rewards are missing."
        )
    return tuple(said)
