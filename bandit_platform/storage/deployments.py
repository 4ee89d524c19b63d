"""Deployments of experiments, and the policies that they name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, delete, func, insert, select

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.deployment import Deployment, DeploymentAction
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.storage.learning_tables import DeploymentRow, NamedPolicyRow
from bandit_platform.storage.statements import from_micros, put, table, to_micros

_DEPLOYMENT = table(DeploymentRow)
_POLICY = table(NamedPolicyRow)


@dataclass(frozen=True, kw_only=True)
class StoredPolicy:
    """A learned policy under its name."""

    policy_hash: str
    name: str
    definition: Exploration


def add_deployment(connection: Connection, deployment: Deployment) -> None:
    """Append a deployment: from here on servers serve it."""
    connection.execute(
        insert(_DEPLOYMENT).values(
            experiment=deployment.experiment,
            number=deployment.number,
            champion=deployment.champion,
            challenger=deployment.challenger,
            share=deployment.share,
            champion_version=deployment.champion_version,
            challenger_version=deployment.challenger_version,
            held=deployment.held,
            version_before=deployment.version_before,
            since=to_micros(deployment.since),
            by_kind=deployment.by.kind,
            by_name=deployment.by.name[:256],
            action=deployment.action.value,
            why=json.dumps(dict(deployment.why), ensure_ascii=False),
        )
    )


def deployments(connection: Connection, experiment: str) -> tuple[Deployment, ...]:
    """Every deployment of an experiment, oldest first."""
    rows = connection.execute(
        select(_DEPLOYMENT)
        .where(_DEPLOYMENT.c.experiment == experiment)
        .order_by(_DEPLOYMENT.c.number)
    )
    return tuple(_deployment(row) for row in rows)


def newest_deployment(connection: Connection, experiment: str) -> Deployment | None:
    """The deployment in force."""
    row = connection.execute(
        select(_DEPLOYMENT)
        .where(_DEPLOYMENT.c.experiment == experiment)
        .order_by(_DEPLOYMENT.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _deployment(row)


def newest_numbers(connection: Connection) -> dict[str, int]:
    """Experiment → number of the deployment in force."""
    rows = connection.execute(
        select(_DEPLOYMENT.c.experiment, func.max(_DEPLOYMENT.c.number).label("number")).group_by(
            _DEPLOYMENT.c.experiment
        )
    )
    return {row.experiment: row.number for row in rows}


def stored_policies(connection: Connection, experiment: str) -> dict[str, StoredPolicy]:
    """Hash → learned policy of an experiment."""
    rows = connection.execute(
        select(_POLICY).where(_POLICY.c.experiment == experiment).order_by(_POLICY.c.policy_hash)
    )
    return {
        row.policy_hash: StoredPolicy(
            policy_hash=row.policy_hash,
            name=row.name,
            definition=Exploration.model_validate_json(row.definition),
        )
        for row in rows
    }


def put_policies(
    connection: Connection, experiment: str, policies: Collection[StoredPolicy]
) -> None:
    """Store policies, or rename those that are stored."""
    put(
        connection,
        NamedPolicyRow,
        [
            {
                "experiment": experiment,
                "policy_hash": each.policy_hash,
                "name": each.name,
                "definition": _definition_text(each.definition),
            }
            for each in policies
        ],
    )


def remove_policies(connection: Connection, experiment: str, hashes: Collection[str]) -> None:
    """Forget policies."""
    if hashes:
        connection.execute(
            delete(_POLICY).where(
                _POLICY.c.experiment == experiment, _POLICY.c.policy_hash.in_(sorted(hashes))
            )
        )


def _definition_text(policy: Exploration) -> str:
    """The canonical JSON of what makes a policy, without its name and role."""
    fields = set(Exploration.model_fields)
    return json.dumps(policy.model_dump(mode="json", include=fields), sort_keys=True)


def _deployment(row: Any) -> Deployment:
    return Deployment(
        experiment=row.experiment,
        number=row.number,
        champion=row.champion,
        challenger=row.challenger,
        share=row.share,
        champion_version=row.champion_version,
        challenger_version=row.challenger_version,
        held=row.held,
        version_before=row.version_before,
        since=from_micros(row.since),
        by=Actor(kind=cast("Any", row.by_kind), name=row.by_name),
        action=DeploymentAction(row.action),
        why=cast("Mapping[str, Any]", json.loads(row.why)),
    )
