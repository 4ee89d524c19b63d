"""What shoppers really do and what each arm is really worth: outcomes and their exact mean."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bandit_platform.domain.context import Context
from bandit_platform.domain.reward import AmountWeight, Worth
from bandit_platform.simulation.shopper import Shopper
from bandit_platform.simulation.ticket_shop import SPREAD, chances


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One event that a shopper causes."""

    type: str
    amount: float | None = None


def outcomes(shopper: Shopper, arm: str) -> tuple[Outcome, ...]:
    """What a shopper does when shown an arm; the same shopper and arm give the same events.

    The shopper's draws are shared by all arms and made in a fixed order, so what they would do
    with one arm says how they feel about another.
    """
    tree = chances(shopper.context, arm)
    random = Random(shopper.seed)
    accept, purchase, return_, dismiss, complaint, scatter = (random.random() for _ in range(6))
    amount = round(tree.amount * (1.0 + SPREAD * (2.0 * scatter - 1.0)), 2)
    returned = return_ < tree.return_
    if accept < tree.accept:
        paid = _bought(amount, returned=returned) if purchase < tree.purchase else ()
        return (Outcome(type="accept"), *paid)
    if accept < tree.accept + tree.unprompted:
        return _bought(amount, returned=returned)
    if dismiss < tree.dismiss:
        complained = complaint < tree.complaint
        return (Outcome(type="dismiss"), *((Outcome(type="complaint"),) if complained else ()))
    return ()


def _bought(amount: float, *, returned: bool) -> tuple[Outcome, ...]:
    bought = Outcome(type="purchase", amount=amount)
    return (bought, Outcome(type="return", amount=amount)) if returned else (bought,)


def expected_reward(context: Context, arm: str, worth: Worth) -> float:
    """The exact mean reward of an arm for a context: mu(context, arm).

    With w(event) the mean worth of an event of the arm, less what it costs, and
    B = w(purchase) + P(return)·w(return), the mean worth of a purchase,
    E[R] = default + P(accept)·(w(accept) + P(purchase)·B) + P(unprompted)·B
    + (1 - P(accept) - P(unprompted))·P(dismiss)·(w(dismiss) + P(complaint)·w(complaint)).
    This holds because neither the range nor a greatest amount cuts an outcome of this shop.

    Args:
        context: of the shopper.
        arm: that is shown.
        worth: of the arm's outcomes.
    """
    tree = chances(context, arm)
    bought = _mean(worth, "purchase", tree.amount)
    bought += tree.return_ * _mean(worth, "return", tree.amount)
    accepted = _mean(worth, "accept") + tree.purchase * bought
    dismissed = _mean(worth, "dismiss") + tree.complaint * _mean(worth, "complaint")
    ignored = 1.0 - tree.accept - tree.unprompted
    return (
        worth.default
        + tree.accept * accepted
        + tree.unprompted * bought
        + ignored * tree.dismiss * dismissed
    )


def _mean(worth: Worth, event: str, amount: float | None = None) -> float:
    """The mean worth of an event of an arm, less what it costs.

    Args:
        worth: of the arm's outcomes.
        event: its type.
        amount: the mean amount that it reports; None where it reports none.
    """
    total = 0.0
    for weight, sign in ((worth.weights.get(event), 1.0), (worth.costs.get(event), -1.0)):
        if not isinstance(weight, AmountWeight):
            total += sign * (weight or 0.0)
        elif amount is None:
            raise TypeError(f"the simulated {event} reports no amount")
        else:
            total += sign * weight.amount * amount
    return total
