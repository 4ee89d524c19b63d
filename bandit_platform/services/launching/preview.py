"""What a shopper in some situation could get, without deciding anything."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.exclusion import Exclusion
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING, Exploration
from bandit_platform.domain.request_arms import ArmList, ArmsMerger, ArmsReader
from bandit_platform.domain.spec_file import format_path
from bandit_platform.errors import ContextError, InputError, PolicyError, Problem
from bandit_platform.policies.arguments import model_hash, policy_hash
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.mixture import mixture
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.storage.database import Database
from bandit_platform.storage.deployments import newest_deployment, stored_policies
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.models import model_blob, newest_version


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The arms of one situation.

    Attributes:
        eligible: each eligible arm with its probability.
        excluded: arm → why it is out.
        model_version: the version that gave the probabilities; None for uniform.
        trouble: why a published model could not be used.
        holdout_share: share of units that get nothing whatever stands above.
    """

    eligible: Mapping[str, float]
    excluded: Mapping[str, Exclusion]
    model_version: int | None
    trouble: str
    holdout_share: float


def preview(
    database: Database,
    spec: ExperimentSpec,
    raw_context: Mapping[str, Any],
    at: datetime,
    sent: Any = None,
) -> Preview:
    """Which arms a context leaves, and how likely each would be.

    The model served now gives the probabilities where the spec would use it; without one, and
    where the spec asks for another model, every eligible arm is equally likely.

    Args:
        database: where models are.
        spec: the experiment, which need not be stored.
        raw_context: as a request would say it.
        at: the moment of the decision.
        sent: arms as a request would bring them; None for none.

    Raises:
        ContextError: the context does not fit the declared schema, or the arms are not sound.
    """
    adapted, _ = spec.request.adapted(spec.context, raw_context)
    context = validate_context(spec.context, adapted)
    arms = None if sent is None else _arms(spec, sent)
    eligible = eligible_arms(spec, context, at, arms=arms)
    served, share = _served(database, spec)
    pmf, trouble = spec.policy.untrained(eligible.arms), ""
    version = served[0].version if served else None
    try:
        pmfs = [
            model_pmf(one.blob, one.policy, spec, context, eligible.arms, request_arms=arms)
            for one in served
        ]
        if pmfs:
            pmf = pmfs[0] if len(pmfs) == 1 else mixture(pmfs[0], pmfs[1], share)
    except PolicyError as error:
        version, trouble = None, str(error)
    return Preview(
        eligible=dict(zip(eligible.arms, pmf, strict=True)),
        excluded=eligible.excluded,
        model_version=version,
        trouble=trouble,
        holdout_share=spec.holdout.share,
    )


def _arms(spec: ExperimentSpec, sent: Any) -> ArmList:
    """The arms that a request would bring, with those of the file.

    Raises:
        ContextError: they are not sound; the problem is at ``arms``.
    """
    try:
        read = ArmsReader().read(sent)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = format_path(first["loc"])
        message = f"{where}: {first['msg']}" if where else first["msg"]
        raise ContextError([Problem(path="arms", message=message)]) from None
    except InputError as error:
        message = str(error).removeprefix("arms: ")
        raise ContextError([Problem(path="arms", message=message)]) from None
    return ArmsMerger({arm.key: arm.features for arm in spec.arms}).merged(read)


def model_pmf(
    blob: tuple[bytes, str],
    policy: Exploration,
    spec: ExperimentSpec,
    context: Mapping[str, Any],
    arms: tuple[str, ...],
    *,
    request_arms: ArmList | None = None,
) -> tuple[float, ...]:
    """The probabilities that a policy with a stored model gives eligible arms.

    Raises:
        PolicyError: the model is damaged or gives no distribution.
    """
    if blob_hash(blob[0]) != blob[1]:
        raise PolicyError("the stored model does not have its hash")
    with closing(TrainedModel.load(blob[0])) as model:
        lines = FeatureText(spec).lines(context, arms, request_arms)
        explorer = explorer_for(policy, spec)
        return LearnedPolicy(model, policy).pmf(lines, explorer, arms.index(NOTHING))


@dataclass(frozen=True, kw_only=True)
class _Served:
    """A policy that serves, with the version of its model."""

    version: int
    blob: tuple[bytes, str]
    policy: Exploration


def _served(database: Database, spec: ExperimentSpec) -> tuple[list[_Served], float]:
    """What a serving process would use for the spec, and the challenger's share.

    A spec that changes ``[policy]`` is previewed as the deployment that applying it would make.
    """
    if spec.policy.mode not in {"learning", "frozen"}:
        return [], 0.0
    with database.read() as connection:
        deployment = newest_deployment(connection, spec.key)
        policies = stored_policies(connection, spec.key)
        if deployment is None:
            return [], 0.0
        stored = get_experiment(connection, spec.key).spec
        roles = deployment.roles
        if policy_hash(stored.policy) != policy_hash(spec.policy):
            roles = ((policy_hash(spec.policy), None),)
        found = []
        for policy, pinned in roles:
            definition = spec.policy if policy not in policies else policies[policy].definition
            newest = newest_version(connection, spec.key, model_hash(definition))
            version = pinned or (newest.version if newest else None)
            blob = None if version is None else model_blob(connection, spec.key, version)
            if version is None or blob is None:
                break
            found.append(_Served(version=version, blob=blob, policy=definition))
    return found, deployment.share
