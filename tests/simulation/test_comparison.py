"""The truth beside a report is what each policy would have earned at each moment."""

import pytest

from bandit_platform.services.learning.recompute import RecomputedRow
from bandit_platform.services.reporting.report_records import EstimateRow
from bandit_platform.simulation.comparison import compare, progressive_truth
from bandit_platform.simulation.shares import last_quarter
from bandit_platform.simulation.tally import Served

WORTH = {("a", "nothing"): 0.1, ("a", "mail"): 0.5, ("b", "nothing"): 0.2, ("b", "mail"): -1.0}


def row(who: str, logged: float, serving: float) -> RecomputedRow:
    return RecomputedRow(
        decision_id=who,
        unit=who,
        context={"who": who},
        eligible=("nothing", "mail"),
        pmf=(1 - logged, logged),
        arm="mail",
        reward=9.9,
        policies={"serving": (1 - serving, serving), "always:nothing": (1.0, 0.0)},
    )


def test_truth_is_the_mean_over_interactions() -> None:
    told: list[int] = []
    truth = progressive_truth(
        [row("a", 0.5, 0.25), row("b", 0.5, 0.0)],
        lambda context, arm: WORTH[str(context["who"]), arm],
        progress=told.append,
    )
    assert truth.policies["serving"] == pytest.approx((0.75 * 0.1 + 0.25 * 0.5 + 0.2) / 2)
    assert truth.policies["always:nothing"] == pytest.approx(0.15)
    assert truth.programme == pytest.approx((0.3 - 0.1 + (-0.4) - 0.2) / 2)
    assert truth.interactions == 2
    assert told == [2]


def test_no_interactions_have_no_truth_but_do_not_fail() -> None:
    assert progressive_truth([], lambda *_: 1.0).policies == {}


@pytest.mark.parametrize(("truth", "covered"), [(0.1, True), (0.3, True), (0.31, False)])
def test_an_interval_covers_its_bounds(truth: float, covered: bool) -> None:
    estimate = EstimateRow(
        value=0.2, lower=0.1, upper=0.3, interval="confidence-sequence", n=10, collecting=False
    )
    assert compare(estimate, truth).covered is covered


def test_shares_are_those_of_the_last_quarter_without_holdout() -> None:
    served = [
        Served(number=n, decision_id=str(n), arm="mail", reason="policy", pmf={"mail": 1.0})
        for n in range(6)
    ]
    served += [
        Served(number=6, decision_id="6", arm="nothing", reason="holdout", pmf={"nothing": 1.0}),
        Served(number=7, decision_id="7", arm="mail", reason="uniform", pmf={"mail": 1.0}),
        Served(
            number=8,
            decision_id="8",
            arm="nothing",
            reason="policy",
            pmf={"mail": 0.4, "nothing": 0.6},
        ),
    ]
    shares = last_quarter(served, ["nothing", "mail", "never"])
    assert shares.decisions == 2
    assert shares.drawn == {"nothing": 0.5, "mail": 0.5, "never": 0.0}
    assert shares.probability == pytest.approx({"nothing": 0.3, "mail": 0.7, "never": 0.0})
