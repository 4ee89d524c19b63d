"""Deployments with the names of their policies, as people and programs read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bandit_platform.domain.deployment import Deployment
from bandit_platform.domain.revision import Change
from bandit_platform.policies.arguments import model_hash
from bandit_platform.storage.deployments import StoredPolicy


@dataclass(frozen=True, kw_only=True)
class DeploymentEntry:
    """A deployment with the names of its policies."""

    deployment: Deployment
    champion: str
    challenger: str | None
    #: hash of the champion's model
    champion_model: str

    def to_dict(self) -> dict[str, Any]:
        """The entry for JSON."""
        one = self.deployment
        return {
            "number": one.number,
            "champion": self.champion,
            "champion_hash": one.champion,
            "champion_version": one.champion_version,
            "challenger": self.challenger,
            "challenger_hash": one.challenger,
            "challenger_version": one.challenger_version,
            "share": one.share,
            "held": one.held,
            "since": one.since.isoformat(),
            "by": {"kind": one.by.kind, "name": one.by.name},
            "action": one.action.value,
            "why": dict(one.why),
        }


def entry_of(deployment: Deployment, policies: Mapping[str, StoredPolicy]) -> DeploymentEntry:
    """A deployment with the names of its policies, by hash."""

    def name(policy: str) -> str:
        return policies[policy].name if policy in policies else policy

    challenger = deployment.challenger
    return DeploymentEntry(
        deployment=deployment,
        champion=name(deployment.champion),
        challenger=None if challenger is None else name(challenger),
        champion_model=model_hash(policies[deployment.champion].definition),
    )


def differences(before: DeploymentEntry, after: DeploymentEntry) -> list[Change]:
    """What a change of the deployment changed, for the audit log."""
    old, new = before.to_dict(), after.to_dict()
    fields = ("number", "champion", "champion_version", "challenger", "share", "held")
    return [
        Change(path=f"deployment.{field}", before=old[field], after=new[field])
        for field in fields
        if old[field] != new[field]
    ]
