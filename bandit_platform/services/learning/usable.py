"""Whether an interaction can be taken in at all: a matter of the stored row alone.

Rows that the platform wrote always can. One that was changed by hand, or written by a version with
an error, must not stop everything that comes after it; so it is left out, for every policy alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.learning.walk import RevisionText
from bandit_platform.storage.interactions import Interaction

_SLACK = 1e-9


def why_unusable(
    interaction: Interaction, revisions: Mapping[int, RevisionText], spec: ExperimentSpec
) -> str | None:
    """Why no policy can take an interaction in; None when all can.

    Args:
        interaction: as it is stored.
        revisions: of its experiment.
        spec: the revision in force, whose reward range counts.
    """
    decision = interaction.decision
    revision = revisions.get(decision.revision)
    if revision is None:
        return f"revision {decision.revision} is not stored"
    low, high = spec.reward.range
    if not low <= interaction.reward <= high:
        return "the reward is outside the declared range"
    return _arms_problem(decision, revision.spec) or _chances_problem(decision, revision.spec)


def _arms_problem(decision: Decision, spec: ExperimentSpec) -> str | None:
    known = spec.arm_keys
    if not decision.eligible or decision.eligible[0] != NOTHING:
        return "the first eligible arm is not nothing"
    if any(arm not in known for arm in decision.eligible):
        return "an eligible arm is not in its revision"
    if decision.arm not in decision.eligible:
        return "the arm is not among the eligible ones"
    if not all(isinstance(value, (str, int, float)) for value in decision.context.values()):
        return "its context holds what no context can"
    return None


def _chances_problem(decision: Decision, spec: ExperimentSpec) -> str | None:
    size = len(decision.eligible)
    if len(decision.pmf) != size or not all(0.0 <= p <= 1.0 + _SLACK for p in decision.pmf):
        return "its distribution is none"
    drawn = decision.pmf[decision.eligible.index(decision.arm)]
    if not math.isclose(drawn, decision.propensity, rel_tol=_SLACK):
        return "its propensity is not the arm's probability"
    floor = 1.0 if spec.policy.mode in {"uniform", "shadow"} else spec.policy.floor
    if not decision.propensity * size >= floor * (1.0 - _SLACK):
        return "its propensity is below what its revision permits"
    return None
