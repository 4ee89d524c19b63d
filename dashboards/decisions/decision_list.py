"""Decisions that were found, and why arms fell out, ready for their template."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandit_platform.domain.decision import POLICY_TRAFFIC, Decision
from bandit_platform.services.collecting.count_exclusions import (
    DECIDED,
    ELIGIBLE,
    OUT,
    SHOWN,
    reason_from,
)
from bandit_platform.storage.exclusions import Place
from dashboards.decisions.asker import asked_by
from dashboards.text import LEAST, percent, short_moment, why_out

#: Reasons printed for each arm before the rest is added up.
_MOST_REASONS = 8


@dataclass(frozen=True, kw_only=True)
class DecisionLine:
    """A decision as a row."""

    decision_id: str
    at: str
    exact_at: str
    arm: str
    reason: str
    propensity: str
    #: how many arms were eligible
    eligible: int
    #: shortened pseudonym
    unit: str
    #: what asked: a page or a server, with the label of its key
    asked_by: str
    over_limit: bool


@dataclass(frozen=True, kw_only=True)
class Fallen:
    """One reason why an arm fell out."""

    why: str
    decisions: int
    #: empty where it is withheld
    share: str


@dataclass(frozen=True, kw_only=True)
class ArmFate:
    """What became of one arm over all decisions of the policy."""

    arm: str
    decisions: int
    eligible: int
    #: shares are empty, and bars 0, where they are withheld
    eligible_share: str
    shown: int
    shown_share: str
    #: bar lengths in percent
    eligible_width: float
    shown_width: float
    out: tuple[Fallen, ...]


@dataclass(frozen=True, kw_only=True)
class Fates:
    """Why arms fell out."""

    #: decisions counted, and those in which arms were compared at all
    all: int
    compared: int
    #: reason of a decision in which no arms were compared, or that is not counted → how often
    without: tuple[Fallen, ...]
    arms: tuple[ArmFate, ...]


def decision_lines(
    decisions: Sequence[Decision], zone: str, labels: Mapping[str, str]
) -> tuple[DecisionLine, ...]:
    """The decisions in the order given.

    Args:
        decisions: those that were found.
        zone: the experiment's time zone.
        labels: id of each API key → its label.
    """
    return tuple(
        DecisionLine(
            decision_id=d.decision_id,
            at=short_moment(d.decided_at, zone, seconds=True),
            exact_at=d.decided_at.isoformat(),
            arm=d.arm,
            reason=d.reason.value,
            propensity=f"{d.propensity:.3f}",
            eligible=len(d.eligible),
            unit=d.unit[:8],
            asked_by=asked_by(d.key_id, labels.get(d.key_id or "", ""), trusted=d.trusted),
            over_limit=d.over_limit,
        )
        for d in decisions
    )


def fates(counts: Mapping[Place, int], arms: Sequence[str], zone: str = "UTC") -> Fates:
    """The counts of all revisions together, arms in the order given.

    An arm's decisions are those of the revisions that listed it.
    """
    decided: dict[str, int] = defaultdict(int)
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    out: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for place, number in counts.items():
        if place.fate == DECIDED:
            decided[place.why] += number
        elif place.fate == OUT:
            out[place.arm][why_out(reason_from(place.why), zone)] += number
        else:
            found[place.arm][place.fate] += number
    compared = sum(number for why, number in decided.items() if why in POLICY_TRAFFIC)
    total = sum(decided.values())
    without = {why: number for why, number in decided.items() if why not in POLICY_TRAFFIC}
    return Fates(
        all=total,
        compared=compared,
        without=_fallen({why.replace("_", " "): n for why, n in without.items()}, total),
        arms=tuple(_fate(arm, found[arm], out[arm]) for arm in arms if arm in found or arm in out),
    )


def _fate(arm: str, found: Mapping[str, int], out: Mapping[str, int]) -> ArmFate:
    eligible, shown = found.get(ELIGIBLE, 0), found.get(SHOWN, 0)
    decisions = eligible + sum(out.values())
    return ArmFate(
        arm=arm,
        decisions=decisions,
        eligible=eligible,
        eligible_share=_share(eligible, decisions),
        shown=shown,
        shown_share=_share(shown, eligible),
        eligible_width=_width(eligible, decisions),
        shown_width=_width(shown, decisions),
        out=_fallen(out, decisions),
    )


def _share(number: int, total: int) -> str:
    return percent(number / total) if total >= LEAST else ""


def _width(number: int, total: int) -> float:
    return round(100 * number / total, 2) if total >= LEAST else 0.0


def _fallen(counts: Mapping[str, int], total: int) -> tuple[Fallen, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ordered[_MOST_REASONS:])
    if rest:
        ordered = [*ordered[:_MOST_REASONS], ("other reasons", rest)]
    return tuple(
        Fallen(why=why, decisions=number, share=_share(number, total)) for why, number in ordered
    )
