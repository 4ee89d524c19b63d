"""What a shopper in some situation could get, without deciding anything."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.exclusion import Exclusion
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.errors import PolicyError
from bandit_platform.policies.arguments import policy_hash
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.storage.database import Database
from bandit_platform.storage.models import model_blob, newest_versions


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
    database: Database, spec: ExperimentSpec, raw_context: Mapping[str, Any], at: datetime
) -> Preview:
    """Which arms a context leaves, and how likely each would be.

    The model served now gives the probabilities where the spec would use it; without one, and
    where the spec asks for another model, every eligible arm is equally likely.

    Args:
        database: where models are.
        spec: the experiment, which need not be stored.
        raw_context: as a request would say it.
        at: the moment of the decision.

    Raises:
        ContextError: the context does not fit the declared schema.
    """
    adapted, _ = spec.request.adapted(spec.context, raw_context)
    context = validate_context(spec.context, adapted)
    eligible = eligible_arms(spec, context, at)
    version, blob = _served(database, spec)
    pmf, trouble = spec.policy.untrained(eligible.arms), ""
    if blob is not None:
        try:
            pmf = model_pmf(blob, spec, context, eligible.arms)
        except PolicyError as error:
            version, trouble = None, str(error)
    return Preview(
        eligible=dict(zip(eligible.arms, pmf, strict=True)),
        excluded=eligible.excluded,
        model_version=version,
        trouble=trouble,
        holdout_share=spec.holdout.share,
    )


def model_pmf(
    blob: tuple[bytes, str],
    spec: ExperimentSpec,
    context: Mapping[str, Any],
    arms: tuple[str, ...],
) -> tuple[float, ...]:
    """The probabilities that a stored model and the spec's policy give eligible arms.

    Raises:
        PolicyError: the model is damaged or gives no distribution.
    """
    if blob_hash(blob[0]) != blob[1]:
        raise PolicyError("the stored model does not have its hash")
    policy = LearnedPolicy.load(blob[0])
    with closing(policy.model):
        explorer = policy.explorer_under(spec.policy, spec)
        return policy.pmf(FeatureText(spec).lines(context, arms), explorer, arms.index(NOTHING))


def _served(
    database: Database, spec: ExperimentSpec
) -> tuple[int | None, tuple[bytes, str] | None]:
    """The version that a serving process would use for the spec, as :class:`Registry` does."""
    if spec.policy.mode not in {"learning", "frozen"}:
        return None, None
    with database.read() as connection:
        newest = newest_versions(connection).get(spec.key)
        if newest is None or newest[1] != policy_hash(spec.policy):
            return None, None
        return newest[0], model_blob(connection, spec.key, newest[0])
