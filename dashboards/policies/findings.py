"""The sentence at the top of the pages of policies, segments and decisions: what is known."""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.domain.policy_spec import NOTHING
from dashboards.decisions.decision_list import ArmFate, Fates
from dashboards.policies.leaderboard import Leaderboard, PolicyLine
from dashboards.policies.segment_lines import Forest, SegmentLine
from dashboards.policies.words import policy_inline
from dashboards.text import LEAST, percent

_NAMED = 3
_HOPELESS = "cannot-evaluate"


def policies_finding(board: Leaderboard) -> str:
    """Which policies beat the baseline.

    Args:
        board: one whose intervals hold together, because the best of many is named.
    """
    others = [line for line in board.lines if not line.is_baseline]
    if not others:
        return "Collecting data: no reward window has ended yet, so there is nothing to compare."
    known = [line for line in others if not line.uplift.collecting]
    if not known:
        return (
            f"Collecting data: {len(others)} policies are valued on the same decisions, too few "
            "so far to say what each would have brought."
        )
    if any(line.is_baseline and line.verdict == _HOPELESS for line in board.lines):
        return f"No policy can be compared with {board.over}: the baseline cannot be evaluated."
    told = [line for line in known if line.verdict != _HOPELESS]
    if not told:
        return f"No policy can be compared with {board.over}: none can be evaluated."
    said, left_out = _beaten(board, told, len(others)), len(known) - len(told)
    if not left_out:
        return said
    verb = _verb(range(left_out), "are")
    return f"{said} {left_out} of {len(others)} cannot be evaluated and {verb} left out."


def _beaten(board: Leaderboard, told: Sequence[PolicyLine], of: int) -> str:
    better = [line for line in told if line.uplift.exact_lower > 0]
    worse = sum(line.uplift.exact_upper < 0 for line in told)
    if not better:
        beaten = f"; {worse} of {of} are clearly worse" if worse else ""
        return f"No policy clearly beats {board.over} yet{beaten}."
    best = better[0]
    name = policy_inline(best.name, best.kind)
    count = f"{len(better)} of {of} policies clearly {_verb(better, 'beat')} {board.over}"
    return (
        f"{count}; {name} by most, {best.uplift.value} reward per decision "
        f"({best.uplift.bounds}, all intervals together)."
    )


def segments_finding(field: str, forest: Forest, policy: str) -> str:
    """In which segments a policy helps or harms; empty where there is no segment to speak of.

    Args:
        field: what the segments are cut by.
        forest: the segments for that policy.
        policy: it, in words within a sentence.
    """
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
        return f"Not clear yet for {segments} of {field} whether {policy} helps."
    said = [f"helps {_names(helped)}"] if helped else []
    said += [f"harms {_names(harmed)}"] if harmed else []
    rest = len(lines) - len(helped) - len(harmed)
    end = f"; {rest} of {len(lines)} segments {_verb(range(rest), 'are')} not clear yet"
    return f"By {field}, {policy} {' and '.join(said)}{end if rest else ''}."


def decisions_finding(fates: Fates) -> str:
    """How often arms could be shown; empty before the first decision."""
    if not fates.all:
        return ""
    if not fates.compared:
        return f"No decision has compared arms yet, of {fates.all:,} so far."
    if fates.compared < LEAST:
        return (
            f"Too few decisions have compared arms to say which fall out: {fates.compared} of at "
            f"least {LEAST}."
        )
    arms = [arm for arm in fates.arms if arm.arm != NOTHING and arm.out]
    if not arms:
        return f"Every arm could be shown in all {fates.compared:,} decisions that compared arms."
    told = [arm for arm in arms if arm.decisions >= LEAST]
    if not told:
        return f"Every arm that stood in {LEAST} decisions or more could be shown in all of them."
    worst = max(told, key=_missed)
    because = "because" if len(worst.out) == 1 else "most often because"
    return (
        f"{worst.arm} falls out most: it could not be shown in {percent(_missed(worst))} of "
        f"{worst.decisions:,} decisions, {because} {worst.out[0].why}."
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
