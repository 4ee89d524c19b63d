"""The sentence at the top of the pages of policies, segments and decisions: what is known."""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.domain.policy_spec import NOTHING
from dashboards.decision_list import ArmFate, Fates
from dashboards.leaderboard import Leaderboard
from dashboards.segment_lines import Forest, SegmentLine
from dashboards.text import percent

_NAMED = 3


def policies_finding(board: Leaderboard) -> str:
    """Which policies beat the baseline.

    Args:
        board: one whose intervals hold together, because the best of many is named.
    """
    others = [line for line in board.lines if not line.is_baseline]
    if not others:
        return "Collecting data: no reward window has ended yet, so there is nothing to compare."
    told = [line for line in others if not line.uplift.collecting]
    if not told:
        return (
            f"Collecting data: {len(others)} policies are valued on the same decisions, too few "
            "so far to say what each would have brought."
        )
    better = [line for line in told if line.uplift.exact_lower > 0]
    worse = sum(line.uplift.exact_upper < 0 for line in told)
    if not better:
        beaten = f"; {worse} of {len(others)} are clearly worse" if worse else ""
        return f"No policy clearly beats {board.over} yet{beaten}."
    best = better[0]
    name = f"{best.words[:1].lower()}{best.words[1:]}"
    count = f"{len(better)} of {len(others)} policies clearly {_verb(better, 'beat')} {board.over}"
    return (
        f"{count}; {name} by most, {best.uplift.value} reward per decision "
        f"({best.uplift.bounds}, all intervals together)."
    )


def segments_finding(field: str, forest: Forest) -> str:
    """In which segments offers help or harm; empty where there is no segment to speak of."""
    lines = forest.lines
    if not lines:
        return ""
    told = [line for line in lines if not line.grey]
    if not told:
        return f"Collecting data: no segment of {field} can be told yet."
    helped = [line for line in told if line.mark == "better"]
    harmed = [line for line in told if line.mark == "worse"]
    if not helped and not harmed:
        segments = "the one segment" if len(lines) == 1 else f"any of the {len(lines)} segments"
        return f"Not clear yet for {segments} of {field} whether offers help."
    said = [f"help {_names(helped)}"] if helped else []
    said += [f"harm {_names(harmed)}"] if harmed else []
    rest = len(lines) - len(helped) - len(harmed)
    end = f"; {rest} of {len(lines)} segments {_verb(range(rest), 'are')} not clear yet"
    return f"By {field}, offers {' and '.join(said)}{end if rest else ''}."


def decisions_finding(fates: Fates) -> str:
    """How often arms could be shown; empty before the first decision."""
    if not fates.all:
        return ""
    if not fates.compared:
        return f"Nothing could be shown in any of {fates.all:,} decisions so far."
    arms = [arm for arm in fates.arms if arm.arm != NOTHING and arm.out]
    if not arms:
        return f"Every arm could be shown in all {fates.compared:,} decisions that compared arms."
    worst = max(arms, key=_missed)
    return (
        f"{worst.arm} falls out most: it could not be shown in {percent(_missed(worst))} of "
        f"{worst.decisions:,} decisions, mostly because {worst.out[0].why}."
    )


def _missed(arm: ArmFate) -> float:
    return 1 - arm.eligible / arm.decisions


def _names(lines: Sequence[SegmentLine]) -> str:
    names = [line.segment for line in lines[:_NAMED]]
    if len(lines) > _NAMED:
        names = [*names, f"{len(lines) - _NAMED} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(things: Sequence[object], plural: str) -> str:
    """The verb for as many."""
    return plural if len(things) != 1 else {"beat": "beats", "are": "is"}[plural]
