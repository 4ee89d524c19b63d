"""An experiment's interactions as a decision log that any tool can read, in batches."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import InputError
from bandit_platform.services.evaluation.export_register import (
    exporting,
    register_draft,
    register_export,
)
from bandit_platform.services.evaluation.log_writers import Kind, open_writer
from bandit_platform.services.evaluation.reward_columns import RewardColumns, reward_columns
from bandit_platform.services.learning.recompute import RecomputedRow, recompute
from bandit_platform.services.learning.tracked import tracked_now
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.interactions import Interaction, policy_interactions

_BATCH = 2000
#: seconds that forgetting a unit may take before an export gives up
_PATIENCE = 600.0
Row = dict[str, Any]
_DECISIONS = TypeAdapter(Decision)
#: fields of a decision that have columns of their own, or that say where a request came from
_NOT_REPEATED = frozenset(
    {
        *("decision_id", "unit", "decided_at", "context", "draws"),
        *("key_id", "address", "request_key", "body_hash", "dropped_fields"),
    }
)


def export(
    database: Database,
    experiment: str,
    out: Path,
    kind: Kind,
    *,
    targets: bool = False,
    register: Path | None = None,
) -> Iterator[int]:
    """Write the interactions of the policy traffic; the file appears when it is whole.

    Args:
        database: of the deployment.
        experiment: key.
        out: the file; one that is there already is replaced.
        kind: of the file.
        targets: add what each tracked policy would have given the logged arm, which means walking
            through all learning again.
        register: remembers the file, so that forgetting a unit reaches it; forgetting waits for
            the export, and the export for it.

    Yields:
        How many rows were written so far, after each batch.

    Raises:
        NotFoundError: there is no such experiment.
        InputError: the file cannot be written.
        UnavailableError: a unit is being forgotten for long.
    """
    target = out.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.draft")
    try:
        with nullcontext() if register is None else exporting(register, _PATIENCE):
            yield from _write(database, experiment, draft, kind, targets=targets, register=register)
            if target.exists():
                shutil.copymode(target, draft)
            if register is not None:
                register_export(register, target, kind)
            draft.replace(target)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _write(
    database: Database,
    experiment: str,
    draft: Path,
    kind: Kind,
    *,
    targets: bool,
    register: Path | None,
) -> Iterator[int]:
    """Write all rows into a new file that only its owner may read."""
    with database.read() as connection:
        spec = get_experiment(connection, experiment).spec
        specs = {stored.number: stored.spec for stored in revisions(connection, experiment)}
        tracked = [each.name for each in tracked_now(connection, spec) if each.pinned is None]
    policies = tracked if targets else []
    walked = recompute(database, experiment) if targets else None
    if register is not None:
        register_draft(register, draft)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    written = 0
    with open_writer(kind, draft, context_types(list(specs.values())), policies) as writer:
        for batch in _batches(database, experiment):
            with database.read() as connection:
                money = reward_columns(connection, batch, specs)
            writer.write(
                [_row(each, specs, walked, of) for each, of in zip(batch, money, strict=True)]
            )
            written += len(batch)
            yield written


def context_types(specs: list[ExperimentSpec]) -> dict[str, str]:
    """Field → type, of every field any revision declared; text where revisions differ."""
    types: dict[str, str] = {}
    for spec in specs:
        for name, field in spec.context.items():
            types[name] = field.type if types.get(name, field.type) == field.type else "category"
    return types


def _batches(database: Database, experiment: str) -> Iterator[list[Interaction]]:
    cursor = 0
    while True:
        with database.read() as connection:
            batch = policy_interactions(connection, experiment, cursor, limit=_BATCH)
        if not batch:
            return
        cursor = batch[-1].number
        yield batch


def _row(
    interaction: Interaction,
    specs: dict[int, ExperimentSpec],
    walked: Iterator[RecomputedRow] | None,
    money: RewardColumns,
) -> Row:
    decision = interaction.decision
    brought = decision.request_arms
    arms: Mapping[str, Mapping[str, Any]] = (
        {arm.key: arm.features for arm in specs[decision.revision].arms}
        if brought is None
        else {arm.key: arm.features for arm in brought.arms}
    )
    return {
        "arm": decision.arm,
        "propensity": decision.propensity,
        "reward": interaction.reward,
        **asdict(money),
        "decision_id": decision.decision_id,
        "unit_id": decision.unit,
        "decided_at": decision.decided_at.isoformat(timespec="microseconds"),
        "eligible_arms": list(decision.eligible),
        "pmf": dict(zip(decision.eligible, decision.pmf, strict=True)),
        "context": decision.context,
        "features": [dict(arms.get(arm, {})) for arm in decision.eligible],
        "model_version": decision.model_version,
        "decision": _DECISIONS.dump_python(
            decision, mode="json", exclude=set(_NOT_REPEATED), exclude_defaults=True
        ),
        "targets": {} if walked is None else _targets(next(walked), decision.decision_id),
    }


def _targets(row: RecomputedRow, decision_id: str) -> dict[str, float]:
    if row.decision_id != decision_id:
        raise InputError("interactions were forgotten meanwhile; export again")
    place = row.eligible.index(row.arm)
    return {name: pmf[place] for name, pmf in row.policies.items()}
