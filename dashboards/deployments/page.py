"""The current deployment of an experiment and its history, ready for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bandit_platform.domain.deployment import DeploymentAction, deployment_to_roll_back_to
from bandit_platform.services.deployments.entries import DeploymentEntry
from bandit_platform.services.reporting.report_records import EstimateRow
from bandit_platform.storage.deployments import StoredPolicy
from dashboards.text import Shown, moment, percent, shown


@dataclass(frozen=True, kw_only=True)
class DeployablePolicy:
    """A policy that could serve.

    Attributes:
        name: as in the experiment file.
        role: champion, challenger or empty.
        exploration: how it spreads probability.
        interactions: that its value is estimated from.
        value: estimated reward for each decision.
        uplift: over the champion; None for the champion.
        may_serve: whether it can be promoted or ramped.
    """

    name: str
    role: str
    exploration: str
    interactions: str
    value: Shown | None
    uplift: Shown | None
    may_serve: bool


@dataclass(frozen=True, kw_only=True)
class DeploymentLine:
    """A deployment as printed.

    Attributes:
        number: from 1.
        at: when it began.
        exact_at: the same for machines.
        by: who or what made it.
        action: what was done, in words.
        serves: who decides, in words.
        held: whether no rule may change it.
        evidence: what was known then: (what, in words).
    """

    number: int
    at: str
    exact_at: str
    by: str
    action: str
    serves: str
    held: bool
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class DeploymentStep:
    """A change that a person can make.

    Attributes:
        name: as in addresses.
        button: what the button says.
        serves: what shoppers get afterwards.
        undo: how it is undone.
    """

    name: str
    button: str
    serves: str
    undo: str


_DONE = MappingProxyType(
    {
        DeploymentAction.APPLIED: "Applied by the experiment file",
        DeploymentAction.PROMOTE: "Promoted",
        DeploymentAction.RAMP: "Ramped",
        DeploymentAction.HOLD: "Held",
        DeploymentAction.PIN: "Pinned",
        DeploymentAction.RELEASE: "Released",
        DeploymentAction.ROLL_BACK: "Rolled back",
    }
)
STEPS: Mapping[str, DeploymentStep] = MappingProxyType(
    {
        each.name: each
        for each in (
            DeploymentStep(
                name="promote",
                button="Make it the champion",
                serves="This policy makes every decision, within about a second, with what its "
                "model has learned so far. Any ramp ends.",
                undo="Roll back returns to the previous champion, with the model version that it "
                "served last.",
            ),
            DeploymentStep(
                name="ramp",
                button="Ramp it",
                serves="Every answer is drawn from a mixture: the champion's probabilities and "
                "this policy's, weighted by the share. The mixture is logged, so every estimate "
                "stays valid.",
                undo="Roll back gives the champion everything again, with the model version that "
                "it served before the ramp.",
            ),
            DeploymentStep(
                name="hold",
                button="Hold",
                serves="No change. The shares stay fixed until a person changes them.",
                undo="Release ends the hold.",
            ),
            DeploymentStep(
                name="pin",
                button="Pin a model version",
                serves="The champion decides with this model version, whatever is learned later. "
                "The model goes on learning.",
                undo="Release serves the newest version again.",
            ),
            DeploymentStep(
                name="release",
                button="Release",
                serves="Champion and challenger decide with their newest model versions again, and "
                "a hold ends.",
                undo="Pin the model version again.",
            ),
            DeploymentStep(
                name="roll-back",
                button="Roll back",
                serves="What served before the ramp, or before the champion changed last, pinned "
                "to the model version that it served then.",
                undo="Promote or ramp the policy again; release serves the newest version.",
            ),
        )
    }
)


def possible_steps(entries: Sequence[DeploymentEntry]) -> tuple[DeploymentStep, ...]:
    """The steps without a policy that make sense now.

    Args:
        entries: every deployment, newest first.
    """
    now = entries[0].deployment
    names = ["pin"] if now.champion_version is None else []
    if not now.held:
        names.append("hold")
    if now.pinned or now.held:
        names.append("release")
    history = tuple(each.deployment for each in reversed(entries))
    if deployment_to_roll_back_to(history) is not None:
        names.append("roll-back")
    return tuple(STEPS[name] for name in names)


def policy_lines(
    policies: Sequence[StoredPolicy],
    evidences: Mapping[str, Mapping[str, Any]],
    now: DeploymentEntry,
) -> tuple[DeployablePolicy, ...]:
    """Every policy that could serve, the champion first.

    Args:
        policies: stored ones.
        evidences: policy hash → evidence about it.
        now: the deployment in force.
    """
    lines = [_policy_line(each, evidences[each.policy_hash], now) for each in policies]
    order = {"champion": 0, "challenger": 1, "": 2}
    return tuple(sorted(lines, key=lambda line: (order[line.role], line.name)))


def _policy_line(
    policy: StoredPolicy, evidence: Mapping[str, Any], now: DeploymentEntry
) -> DeployablePolicy:
    identity = policy.policy_hash
    is_champion = identity == now.deployment.champion
    known = evidence["champion" if is_champion else "policy"]
    is_challenger = identity == now.deployment.challenger
    return DeployablePolicy(
        name=policy.name,
        role="champion" if is_champion else "challenger" if is_challenger else "",
        exploration=policy.definition.exploration,
        interactions=f"{known['interactions']:,}",
        value=_estimate(known["value"]),
        uplift=None if is_champion else _estimate(evidence["uplift_over_champion"], sign=True),
        may_serve=not is_champion or now.deployment.challenger is not None,
    )


def deployment_lines(entries: Sequence[DeploymentEntry], zone: str) -> tuple[DeploymentLine, ...]:
    """Deployments as printed, in the order given; moments in the time zone."""
    return tuple(
        DeploymentLine(
            number=each.deployment.number,
            at=moment(each.deployment.since, zone),
            exact_at=each.deployment.since.isoformat(),
            by=each.deployment.by.name,
            action=_DONE[each.deployment.action],
            serves=serves(each),
            held=each.deployment.held,
            evidence=evidence_lines(each.deployment.why),
        )
        for each in entries
    )


def serves(entry: DeploymentEntry) -> str:
    """The policies of a deployment and their shares, in one sentence."""
    made = entry.deployment
    champion = _named(entry.champion, made.champion_version)
    if entry.challenger is None:
        return f"The champion {champion} makes every decision."
    challenger = _named(entry.challenger, made.challenger_version)
    return (
        f"The champion {champion} has a share of {percent(1 - made.share)}, "
        f"the challenger {challenger} {percent(made.share)}."
    )


def _named(name: str, version: int | None) -> str:
    quoted = f"“{name}”"
    return quoted if version is None else f"{quoted} (pinned to model version {version})"


def evidence_lines(why: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The evidence for a change, as pairs of a label and the numbers in words."""
    lines: list[tuple[str, str]] = []
    for role in ("policy", "champion"):
        known = why.get(role)
        if known:
            label = "Champion" if role == "champion" else "Policy"
            lines.append((f"{label}: {known['name']}", _policy_text(known)))
    uplift = _estimate(why.get("uplift_over_champion"), sign=True)
    if uplift is not None:
        lines.append(("Uplift over the champion", _text(uplift)))
    if "rolled_back_to" in why:
        lines.append(("Back to", f"deployment {why['rolled_back_to']}"))
    if "mode" in why:
        lines.append(("policy.mode", str(why["mode"])))
    return tuple(lines)


def _policy_text(known: Mapping[str, Any]) -> str:
    version = known["model_version"]
    model = (
        "no model version yet"
        if version is None
        else f"model version {version}, learned from {known['model_interactions']:,} interactions"
    )
    value = _estimate(known["value"])
    return model if value is None else f"value {_text(value)}; {model}"


def _text(estimate: Shown) -> str:
    if estimate.collecting:
        return f"{estimate.value}, {estimate.n} interactions"
    return f"{estimate.value} ({estimate.bounds}), {estimate.n} interactions, {estimate.validity}"


def _estimate(numbers: Mapping[str, Any] | None, *, sign: bool = False) -> Shown | None:
    """An estimate of the evidence as printed; a bound that is None was infinite."""
    if numbers is None:
        return None
    lower, upper = numbers["lower"], numbers["upper"]
    row = EstimateRow(
        value=numbers["value"],
        lower=-math.inf if lower is None else lower,
        upper=math.inf if upper is None else upper,
        interval=numbers["interval"],
        n=numbers["n"],
        collecting=numbers["collecting"] or lower is None or upper is None,
    )
    return shown(row, sign=sign)
