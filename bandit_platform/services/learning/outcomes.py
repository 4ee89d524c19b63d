"""What happened after a batch of interactions, as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.learning.support import Source, WaitingValues
from bandit_platform.storage.interactions import Interaction
from bandit_platform.storage.metrics import Outcome

PURCHASE, RETURN = "purchase", "return"
#: Types the pages have words for; they always have a metric of their own.
KNOWN_TYPES = frozenset({"impression", "accept", "dismiss", PURCHASE, RETURN, "complaint"})
#: So many further types have one, the first ones with enough behind them (see ``support``); a
#: shop that numbers its types must not fill the tables, nor must a stranger.
MOST_TYPES = 50
#: All other types, and what a type counted before it had a name of its own. No event type can be
#: called so.
OTHER = "(other)"


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Columns over the interactions of a batch, each of shape (n,)."""

    #: an offer was drawn rather than nothing
    shown: npt.NDArray[np.bool_]
    #: the reward as it matured
    reward: npt.NDArray[np.float64]
    #: event type → 1 where it happened at least once inside the window; in order of appearance
    happened: dict[str, npt.NDArray[np.float64]]
    #: purchases less returns, in ``currency``
    revenue: npt.NDArray[np.float64]
    #: amounts of purchases and returns left out because they are in another currency, or because
    #: a page named their currency before any was known
    foreign: int
    #: the currency of the revenue; None while none is known
    currency: str | None
    #: the row from which the revenue is in ``currency``, where earlier ones were in another: it
    #: begins anew there, because amounts of different currencies are never summed
    revenue_from: int | None = None


def type_name(
    kind: str, kept: Set[str], declared: Set[str], takes_place: Callable[[], bool]
) -> str:
    """The name under which an event type is counted: its own while there is room for it.

    Args:
        kind: the type.
        kept: types that have a name already.
        declared: types that the experiment's reward names.
        takes_place: asked once where there is room: whether enough stands behind the type.
    """
    if kind in kept or kind in KNOWN_TYPES or kind in declared:
        return kind
    further = sum(each not in KNOWN_TYPES and each not in declared for each in kept)
    full = further >= MOST_TYPES + (OTHER in kept)
    return OTHER if full or not takes_place() else kind


def outcomes(
    batch: Sequence[Interaction],
    events: Iterable[Outcome],
    specs: Mapping[int, ExperimentSpec],
    *,
    kept: Sequence[str],
    waiting: WaitingValues,
    currency: str | None,
    first_currency: str | None,
) -> Outcomes:
    """The columns of a batch.

    Args:
        batch: interactions in order.
        events: their events inside the window.
        specs: revision → spec; the one that counted in an interaction's reward says which events
            only servers may report.
        kept: event types that have a metric already, in order of appearance.
        waiting: event types without a metric; it takes in those of the batch.
        currency: that amounts were added in so far; None before the first of them.
        first_currency: the experiment's, for interactions that do not record theirs.
    """
    by_decision: dict[str, list[Outcome]] = {}
    for event in events:
        by_decision.setdefault(event.decision_id, []).append(event)
    happened = {name: np.zeros(len(batch)) for name in kept}
    revenue = np.zeros(len(batch))
    foreign = 0
    revenue_from: int | None = None
    declared = {id(spec): frozenset(spec.event_types) for spec in specs.values()}
    for row, interaction in enumerate(batch):
        decision = interaction.decision
        spec = specs[interaction.rules.revision or decision.revision]
        settled = _currency_of(interaction, currency or first_currency)
        if settled is not None and settled != currency:
            if currency is not None:
                revenue_from = row
                revenue[:row] = 0.0
            currency = settled
        for event in by_decision.get(decision.decision_id, ()):
            if event.type in spec.events.secret_only and not event.trusted:
                continue
            source = Source(event.trusted, decision.over_limit, decision.unit, decision.address)
            name = type_name(
                event.type,
                happened.keys(),
                declared[id(spec)],
                partial(waiting.takes_place, event.type, source),
            )
            happened.setdefault(name, np.zeros(len(batch)))[row] = 1.0
            if event.amount is None or event.type not in {PURCHASE, RETURN}:
                continue
            if event.currency in {None, currency}:
                revenue[row] += event.amount if event.type == PURCHASE else -event.amount
            else:
                foreign += 1
    return Outcomes(
        shown=np.array([i.decision.arm != NOTHING for i in batch]),
        reward=np.array([i.reward for i in batch]),
        happened=happened,
        revenue=revenue,
        foreign=foreign,
        currency=currency,
        revenue_from=revenue_from,
    )


def _currency_of(interaction: Interaction, otherwise: str | None) -> str | None:
    """The experiment's currency when the reward became final."""
    rules = interaction.rules
    return otherwise if rules.revision is None else rules.currency
