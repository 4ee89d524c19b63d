"""What the shop does next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NOTHING = "nothing"
#: a value of the context; lists and sets of texts are for fields of type set
ContextValue = float | Decimal | str | bool | Sequence[str] | Set[str] | None
#: reason of a decision that this client made itself, because the service did not
UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One answer. Truth of it: whether there is an offer to show."""

    experiment: str
    #: what to show; ``nothing`` means just that
    arm: str
    #: the offer's data; None for nothing
    offer: Mapping[str, Any] | None
    #: names the decision in reports of outcomes; None where the service made none
    decision_id: str | None
    #: policy, uniform, holdout, fallback, paused, stopped, draft, or unavailable
    reason: str
    propensity: float
    pmf: Mapping[str, float]
    #: the champion's model version
    model_version: int | None
    #: the champion's and, while another policy has a share, that policy's
    model_versions: tuple[int, ...] = ()
    #: what went wrong, where the reason is unavailable
    why: str | None = None

    def __bool__(self) -> bool:
        return self.arm != NOTHING


def unavailable(experiment: str, why: str) -> Decision:
    """Nothing, because the service could not be asked."""
    return Decision(
        experiment=experiment,
        arm=NOTHING,
        offer=None,
        decision_id=None,
        reason=UNAVAILABLE,
        propensity=1.0,
        pmf={NOTHING: 1.0},
        model_version=None,
        why=why,
    )


def decision_from(body: Any, experiment: str) -> Decision | None:
    """The decision in a service's answer; None where the answer is not one for the experiment."""
    if not isinstance(body, Mapping) or body.get("experiment") != experiment:
        return None
    offer, pmf, version = body.get("offer"), body.get("pmf"), body.get("model_version")
    propensity, versions = body.get("propensity"), body.get("model_versions", ())
    texts = [body.get(name) for name in ("arm", "decision_id", "reason")]
    if not (
        all(isinstance(text, str) and text for text in texts)
        and (offer is None or isinstance(offer, Mapping))
        and isinstance(propensity, int | float)
        and isinstance(pmf, Mapping)
        and (version is None or isinstance(version, int))
        and isinstance(versions, Sequence)
        and all(isinstance(each, int) for each in versions)
    ):
        return None
    return Decision(
        experiment=experiment,
        arm=body["arm"],
        offer=offer,
        decision_id=body["decision_id"],
        reason=body["reason"],
        propensity=propensity,
        pmf=pmf,
        model_version=version,
        model_versions=tuple(versions),
    )
