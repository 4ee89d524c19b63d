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

    With B = E[amount]·(w_purchase + P(return)·w_return), the mean worth of a purchase,
    E[R] = default + P(accept)·(w_accept + P(purchase)·B) + P(unprompted)·B
    + (1 - P(accept) - P(unprompted))·P(dismiss)·(w_dismiss + P(complaint)·w_complaint).
    The weights w are those of the arm, less its costs. This holds because the range cuts no
    outcome of this shop.

    Args:
        context: of the shopper.
        arm: that is shown.
        worth: of the arm's outcomes.
    """
    tree = chances(context, arm)
    bought = tree.amount * (_rate(worth, "purchase") + tree.return_ * _rate(worth, "return"))
    accepted = _fixed(worth, "accept") + tree.purchase * bought
    dismissed = _fixed(worth, "dismiss") + tree.complaint * _fixed(worth, "complaint")
    ignored = 1.0 - tree.accept - tree.unprompted
    return (
        worth.default
        + tree.accept * accepted
        + tree.unprompted * bought
        + ignored * tree.dismiss * dismissed
    )


def _fixed(worth: Worth, event: str) -> float:
    total = 0.0
    for weight, sign in ((worth.weights.get(event), 1.0), (worth.costs.get(event), -1.0)):
        if isinstance(weight, AmountWeight):
            raise TypeError(f"the simulated {event} reports no amount")
        total += sign * (weight or 0.0)
    return total


def _rate(worth: Worth, event: str) -> float:
    """The reward of a pound reported with an event."""
    total = 0.0
    for weight, sign in ((worth.weights.get(event), 1.0), (worth.costs.get(event), -1.0)):
        if isinstance(weight, float):
            raise TypeError(f"the simulated {event} reports an amount")
        total += sign * (weight.amount if weight else 0.0)
    return total
