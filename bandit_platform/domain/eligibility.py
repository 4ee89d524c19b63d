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
from bandit_platform.domain.request_arms import ArmList

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
    arms: ArmList | None = None,
) -> Eligibility:
    """The arms that a request may get.

    Args:
        spec: the experiment.
        context: the validated context.
        now: the moment of the decision.
        only: the arms the caller allows, or None for all. ``nothing`` is allowed regardless.
        without: arms the caller rules out. ``nothing`` cannot be ruled out.
        arms: those of the file merged with those of the request, if it brought any.
    """
    if arms is not None:
        return _among(arms, spec, context, now, only=only, without=without)
    if only is None and not without and spec.all_always_eligible:
        return Eligibility(arms=spec.arm_keys, excluded={})
    eligible = [NOTHING]
    excluded: dict[str, Exclusion] = {}
    in_carts = spec.has_not_if_in
    for arm in spec.arms:
        reason = _listed(arm.key, only, without) or _reason_out(arm, context, now)
        if reason is None and in_carts:
            reason = _in_cart(arm, context)
        if reason is None:
            eligible.append(arm.key)
        else:
            excluded[arm.key] = reason
    return Eligibility(arms=tuple(eligible), excluded=excluded)


def _among(
    arms: ArmList,
    spec: ExperimentSpec,
    context: Context,
    now: datetime,
    *,
    only: Collection[str] | None,
    without: Collection[str],
) -> Eligibility:
    """Those of a request's arms; an arm of the file keeps its conditions and dates."""
    if only is None and not without and spec.all_always_eligible:
        return Eligibility(arms=arms.keys, excluded={})
    eligible = [NOTHING]
    excluded: dict[str, Exclusion] = {}
    own = spec.arms_by_key
    for arm in arms.arms:
        key = arm.key
        reason = _listed(key, only, without)
        if reason is None and key in own:
            reason = _reason_out(own[key], context, now) or _in_cart(own[key], context)
        if reason is None:
            eligible.append(key)
        else:
            excluded[key] = reason
    return Eligibility(arms=tuple(eligible), excluded=excluded)


def _listed(key: str, only: Collection[str] | None, without: Collection[str]) -> Exclusion | None:
    """Whether the request rules an arm out."""
    if only is not None and key not in only:
        return _NOT_REQUESTED
    return _EXCLUDED if key in without else None


def _reason_out(arm: Arm, context: Context, now: datetime) -> Exclusion | None:
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
