"""A deployment: which policies serve an experiment, and with which shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bandit_platform.domain.actor import Actor


class DeploymentAction(StrEnum):
    """What made a deployment."""

    #: an experiment file
    APPLIED = "applied"
    PROMOTE = "promote"
    RAMP = "ramp"
    HOLD = "hold"
    PIN = "pin"
    RELEASE = "release"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What serves an experiment from a moment on; never changed, only followed by another."""

    experiment: str
    #: from 1; every decision names the deployment it was made under
    number: int
    #: hash of the policy that serves
    champion: str
    #: hash of the policy that gets ``share`` of every distribution; None for none
    challenger: str | None = None
    #: from 0 to below 1; 0 without a challenger
    share: float = 0.0
    #: the model version that serves whatever is published later; None for the newest one
    champion_version: int | None = None
    challenger_version: int | None = None
    #: no rule may change the shares
    held: bool = False
    #: the version that the champion of the deployment before this one served last
    version_before: int | None = None
    since: datetime
    by: Actor
    action: DeploymentAction
    #: the evidence at that moment, as JSON
    why: Mapping[str, Any] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[tuple[str, int | None], ...]:
        """The policies that serve, the champion first, each with its pinned version."""
        champion = (self.champion, self.champion_version)
        if self.challenger is None:
            return (champion,)
        return (champion, (self.challenger, self.challenger_version))

    @property
    def pinned(self) -> tuple[tuple[str, int], ...]:
        """The policies that a version is pinned for, with that version."""
        return tuple((policy, version) for policy, version in self.roles if version is not None)


def deployment_to_roll_back_to(history: tuple[Deployment, ...]) -> Deployment | None:
    """The deployment before the ramp, or else before the champion changed last; None without one.

    Args:
        history: every deployment of an experiment, oldest first.
    """
    if not history:
        return None
    current = history[-1]
    for earlier in reversed(history[:-1]):
        if current.challenger is not None and earlier.challenger is None:
            return earlier
        if earlier.champion != current.champion:
            return earlier
    return None
