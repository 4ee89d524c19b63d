"""What must be settled before an experiment meets shoppers, and what has been.

Files are code, so the command line and the API start an experiment without this list; the console
does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.access import Permission
from bandit_platform.domain.decision import Reason
from bandit_platform.domain.duration import format_duration
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.floor import ADVISED_NOTHING
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.reward import AmountWeight, Weight
from bandit_platform.services.launching.planning import decisions_at_floor
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.keys import all_keys
from bandit_platform.storage.traffic import newest_of_reason


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must be so.

    Attributes:
        name: stable, for programs.
        label: what must be so.
        passed: whether it is.
        found: what was found, in a sentence.
        mend: what to do while it is not so.
        caution: what stands in nobody's way and is probably a mistake all the same; empty for
            nothing.
    """

    name: str
    label: str
    passed: bool
    found: str
    mend: str
    caution: str = ""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Whether an experiment may start.

    Attributes:
        checks: in the order in which a team settles them.
        test_decision: id of the newest test decision; None before there is one.
    """

    checks: tuple[Check, ...]
    test_decision: str | None

    @property
    def blockers(self) -> tuple[Check, ...]:
        """What stands in the way."""
        return tuple(check for check in self.checks if not check.passed)


def launch(database: Database, key: str, now: datetime) -> Launch:
    """The list for one experiment.

    Raises:
        NotFoundError: there is no such experiment.
    """
    with database.read() as connection:
        spec = get_experiment(connection, key).spec
        counted = counters(connection, key)
        usable = sum(
            each.is_valid(now) and each.opens(Permission.DECIDE, key)
            for each in all_keys(connection).values()
        )
        newest = newest_of_reason(connection, key, Reason.DRAFT)
    tried = int(counted.get(f"decisions.{Reason.DRAFT}", 0))
    told = int(counted.get("test_events", 0))
    checks = (
        _arms(spec, now),
        _reward(spec),
        *_money(spec),
        _floors(spec),
        _holdout(spec),
        _key(usable),
        _decision(tried),
        _event(told),
    )
    return Launch(checks=checks, test_decision=newest)


def _arms(spec: ExperimentSpec, now: datetime) -> Check:
    count = sum(arm.ends_at is None or arm.ends_at > now for arm in spec.arms)
    return Check(
        name="arms",
        label="An arm besides nothing",
        passed=count > 0 or spec.takes_arms,
        found=f"{count or 'No'} {'arm' if count == 1 else 'arms'} can be shown, now or later."
        if not spec.takes_arms
        else f"Each request brings arms, besides {count or 'none'} of the definition. Every arm "
        "sent needs a key that stays the same; the model knows it by its features.",
        mend="Every arm has ended. Add one to the definition, or let one end later.",
    )


def _reward(spec: ExperimentSpec) -> Check:
    worth = [
        name
        for name in spec.event_types
        if any(_number(each.weights.get(name)) for each in spec.worths.values())
    ]
    window = format_duration(spec.reward.window)
    return Check(
        name="reward",
        label="A reward, and how long it is counted",
        passed=bool(worth),
        found=f"Counted for {window} after a decision: {', '.join(worth)}."
        if worth
        else "No event type is worth anything.",
        mend="Give at least one event type a worth other than 0.",
        caution=_cut(spec),
    )


def _number(weight: Weight | None) -> float:
    return weight.amount if isinstance(weight, AmountWeight) else weight or 0.0


def _cut(spec: ExperimentSpec) -> str:
    """What the range never counts whole, although nothing else happened."""
    low, high = spec.reward_range
    alone = {"nothing happening": spec.reward.default} | {
        name if arm == NOTHING else f"{name} of {arm}": round(spec.reward.default + total, 12)
        for arm, worth in spec.worths.items()
        for name in worth.event_types
        if arm == NOTHING or name in worth.own or name in worth.costs
        for parts in [(worth.weights.get(name, 0.0), worth.costs.get(name, 0.0))]
        if not any(isinstance(part, AmountWeight) for part in parts)
        for total in [_number(parts[0]) - _number(parts[1])]
        if total
    }
    cut = [f"{name} ({worth:g})" for name, worth in alone.items() if not low <= worth <= high]
    if not cut:
        return ""
    return (
        f"The range, {low:g} to {high:g}, is too small for {', '.join(cut)}: each is cut to the "
        "end of the range, every time. The range is locked once started."
    )


def _money(spec: ExperimentSpec) -> tuple[Check, ...]:
    """Whether a currency is declared and only servers report amounts; empty without amounts."""
    priced = [
        name
        for name in spec.event_types
        if any(
            isinstance(weight, AmountWeight) and weight.amount
            for worth in spec.worths.values()
            for weight in (worth.weights.get(name), worth.costs.get(name))
        )
    ]
    if not priced:
        return ()
    currency = spec.reward.currency
    anybody = [name for name in priced if name not in spec.events.secret_only]
    found = [
        f"Amounts count in {currency}." if currency else "No currency is declared.",
        f"Anyone with the publishable key can report amounts of: {', '.join(anybody)}."
        if anybody
        else "Only servers report amounts.",
    ]
    mend = ["Declare reward.currency."] if currency is None else []
    if anybody:
        mend.append("Add these types to events.secret_only and report them from your server.")
    return (
        Check(
            name="money",
            label="Currency declared, amounts only from servers",
            passed=not mend,
            found=" ".join(found),
            mend=" ".join(mend),
        ),
    )


def _floors(spec: ExperimentSpec) -> Check:
    """What the floors leave to ``nothing`` and to each offer, and how soon uplift could show."""
    nothing = 1.0 / spec.largest_nothing_weight
    offer = 1.0 / spec.largest_offer_weight
    caution = ""
    if nothing < ADVISED_NOTHING * (1.0 - 1e-9):
        caution = (
            f"A decision with the arm nothing can weigh as much as {1.0 / nothing:,.0f} others. "
            f"While it is drawn that rarely, showing an uplift over nothing of 2 % of the "
            f"reward range takes {_about(nothing)} decisions, and {_about(ADVISED_NOTHING)} at "
            f"{100 * ADVISED_NOTHING:g} % (if rewards vary by 10 % of the range). "
        )
        caution += (
            "Mode learning keeps separate floors."
            if spec.policy.mode in {"uniform", "shadow"}
            else "Give nothing a floor of its own: floor = { nothing = 0.04, offers = 0.02 }."
        )
    return Check(
        name="floors",
        label="The arm nothing drawn often enough to compare with",
        passed=True,
        found=f"The arm nothing is drawn with probability {100 * nothing:.3g} % or more, and each "
        f"offer with {100 * offer:.3g} % or more where all are eligible.",
        mend="",
        caution=caution,
    )


def _about(nothing: float) -> str:
    needed = decisions_at_floor(nothing)
    return "too many" if needed is None else f"about {float(f'{needed:.2g}'):,.0f}"


def _holdout(spec: ExperimentSpec) -> Check:
    share = f"{100 * spec.holdout.share:g} %"
    if spec.holdout_is_stated:
        found = f"{share} of units are held out, as stated."
    else:
        found = f"Nobody stated how many; {share} is only the default."
    return Check(
        name="holdout",
        label="Holdout decided",
        passed=spec.holdout_is_stated,
        found=found,
        mend="State the share in the definition, 0 for nobody. It is locked once started.",
    )


def _key(usable: int) -> Check:
    keys = "key opens" if usable == 1 else "keys open"
    return Check(
        name="key",
        label="A key that opens it",
        passed=usable > 0,
        found=f"{usable or 'No'} {keys} it.",
        mend="Somebody with the role admin makes a key with role server for the shop: "
        "bandit-platform key create --role server --label shop",
    )


def _decision(tried: int) -> Check:
    answers = "test decision has" if tried == 1 else "test decisions have"
    return Check(
        name="test-decision",
        label="A test decision seen",
        passed=tried > 0,
        found=f"{tried or 'No'} {answers} arrived.",
        mend="Let the shop ask for a decision, or try it below. Until the start the answer is "
        "nothing, with reason draft, in no estimate.",
    )


def _event(told: int) -> Check:
    events = "test event has" if told == 1 else "test events have"
    return Check(
        name="test-event",
        label="A test event seen",
        passed=told > 0,
        found=f"{told or 'No'} {events} arrived.",
        mend="Report an event for the test decision, such as an accept.",
    )
