"""An experiment's published models: listed, compared, handed out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import NotFoundError, PolicyError
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.deployments.policies import policy_of_model
from bandit_platform.services.launching.preview import model_pmf
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.model_versions import ListedVersion, listed_versions
from bandit_platform.storage.models import model_blob, model_version

ModelLine = ListedVersion
PAGE = 50


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """Two versions, and what each makes of one context.

    Attributes:
        first: the one version.
        second: the other.
        pmfs: eligible arm → its probability under each.
        trouble: why there are no probabilities.
    """

    first: ModelLine
    second: ModelLine
    pmfs: Mapping[str, tuple[float, float]]
    trouble: str = ""


def versions(database: Database, experiment: str, before: int | None = None) -> list[ModelLine]:
    """The newest versions, or those before one.

    Args:
        database: where they are.
        experiment: key.
        before: only smaller numbers, to go on after a page of :data:`PAGE`.
    """
    with database.read() as connection:
        return listed_versions(connection, experiment, most=PAGE, before=before)


def compare_versions(
    database: Database,
    experiment: str,
    numbers: tuple[int, int],
    raw_context: Mapping[str, Any],
    now: datetime,
) -> ModelComparison:
    """Two versions side by side, with the probabilities each gives in one context.

    Raises:
        NotFoundError: there is no such experiment or version.
        ContextError: the context does not fit the declared schema.
    """
    with database.read() as connection:
        spec = get_experiment(connection, experiment).spec
        found = {
            each.version: each
            for each in listed_versions(connection, experiment, most=2, only=numbers)
        }
        blobs = [model_blob(connection, experiment, number) for number in numbers]
        if not set(numbers) <= set(found) or None in blobs:
            raise NotFoundError("there is no such model version any more")
        policies = [
            (blob, policy_of_model(connection, spec, found[number].model_hash) or spec.policy)
            for number, blob in zip(numbers, blobs, strict=True)
            if blob
        ]
    pmfs, trouble = _pmfs(spec, policies, raw_context, now)
    return ModelComparison(
        first=found[numbers[0]], second=found[numbers[1]], pmfs=pmfs, trouble=trouble
    )


def _pmfs(
    spec: ExperimentSpec,
    policies: list[tuple[tuple[bytes, str], Exploration]],
    raw_context: Mapping[str, Any],
    now: datetime,
) -> tuple[dict[str, tuple[float, float]], str]:
    adapted, _ = spec.request.adapted(spec.context, raw_context)
    context = validate_context(spec.context, adapted)
    arms = eligible_arms(spec, context, now).arms
    try:
        first, second = (model_pmf(blob, policy, spec, context, arms) for blob, policy in policies)
    except PolicyError as error:
        return {}, str(error)
    return dict(zip(arms, zip(first, second, strict=True), strict=True)), ""


def model_bytes(database: Database, experiment: str, version: int) -> bytes:
    """A version with the exploration of a policy that uses it, as ``model:FILE`` reads it.

    Raises:
        NotFoundError: there is no such version.
        PolicyError: its bytes do not have their hash.
    """
    with database.read() as connection:
        spec = get_experiment(connection, experiment).spec
        stored = model_blob(connection, experiment, version)
        found = model_version(connection, experiment, version)
        if stored is None or found is None:
            raise NotFoundError("there is no such model version any more")
        policy = policy_of_model(connection, spec, found.model_hash)
    if blob_hash(stored[0]) != stored[1]:
        raise PolicyError("the stored model does not have its hash")
    with closing(TrainedModel.load(stored[0])) as model:
        return model.save(policy)
