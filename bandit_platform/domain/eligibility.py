"""Which arms a request may get, and why each of the others may not."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bandit_platform.domain.condition import unmet_condition
from bandit_platform.domain.context import Context
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.domain.experiment import Arm, ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.record import record

_NOT_REQUESTED = Exclusion(code=ExclusionCode.NOT_REQUESTED)
_EXCLUDED = Exclusion(code=ExclusionCode.EXCLUDED_BY_REQUEST)


@record
class Eligibility:
    """The arms a request may get, in the experiment's order, and why the others are out."""

    #: ``nothing`` is always among them
    arms: tuple[str, ...]
    #: arm → why it is out
    excluded: dict[str, Exclusion]


def eligible_arms(
    spec: ExperimentSpec,
    context: Context,
    now: datetime,
    *,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> Eligibility:
    """The arms that a request may get.

    Args:
        spec: the experiment.
        context: the validated context.
        now: the moment of the decision.
        only: the arms the caller allows, or None for all. ``nothing`` is allowed regardless.
        without: arms the caller rules out. ``nothing`` cannot be ruled out.
    """
    if only is None and not without and spec.all_always_eligible:
        return Eligibility(arms=spec.arm_keys, excluded={})
    arms = [NOTHING]
    excluded: dict[str, Exclusion] = {}
    in_carts = spec.has_not_if_in
    for arm in spec.arms:
        reason = _reason_out(arm, context, now, only, without)
        if reason is None and in_carts:
            reason = _in_cart(arm, context)
        if reason is None:
            arms.append(arm.key)
        else:
            excluded[arm.key] = reason
    return Eligibility(arms=tuple(arms), excluded=excluded)


def _reason_out(
    arm: Arm,
    context: Context,
    now: datetime,
    only: Collection[str] | None,
    without: Collection[str],
) -> Exclusion | None:
    if only is not None and arm.key not in only:
        return _NOT_REQUESTED
    if arm.key in without:
        return _EXCLUDED
    if arm.starts_at is not None and now < arm.starts_at:
        return Exclusion(code=ExclusionCode.NOT_STARTED, moment=arm.starts_at)
    if arm.ends_at is not None and now >= arm.ends_at:
        return Exclusion(code=ExclusionCode.ENDED, moment=arm.ends_at)
    return unmet_condition(arm.when, context) if arm.when else None


def _in_cart(arm: Arm, context: Context) -> Exclusion | None:
    cart = context.get(arm.not_if_in or "")
    if isinstance(cart, tuple) and arm.sku in cart:
        return Exclusion(code=ExclusionCode.IN_CART, field=arm.not_if_in)
    return None
