"""A ramp serves the mixture of champion and challenger, logs it whole, and audits it exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit_platform.domain.assignment import draw as chosen
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.policies.mixture import mixture
from bandit_platform.services.reporting.audit import Auditor, audit
from bandit_platform.simulation.proof import check_learned
from tests.services.deployments.test_deployments import by_hand, shop
from tests.services.learned_world import collected

KEY = "checkout-offers"
pmfs = st.lists(st.floats(0.001, 1.0), min_size=2, max_size=6).map(
    lambda weights: tuple(weight / sum(weights) for weight in weights)
)


@given(pmfs, st.data(), st.floats(0.0, 1.0, exclude_max=True))
def test_a_mixture_is_a_distribution_between_both(
    champion: tuple[float, ...], data: Any, share: float
) -> None:
    shuffled = data.draw(st.permutations(champion))
    found = mixture(champion, shuffled, share)
    assert sum(found) == pytest.approx(1.0, abs=1e-12)
    for mixed, one, other in zip(found, champion, shuffled, strict=True):
        assert mixed == (1.0 - share) * one + share * other
        assert min(one, other) * (1 - 1e-12) <= mixed <= max(one, other) * (1 + 1e-12)
    assert mixture(champion, shuffled, 0.0) == champion


def test_each_decision_of_a_ramp_is_the_mixture_to_the_last_bit(
    world: Any, spec: ExperimentSpec
) -> None:
    collected(world, spec, 120)
    for share in (0.05, 0.2, 0.5, 1 / 3, 0.999, 1e-9):
        number = by_hand(world, "ramp", "greedier", share).deployment.number
        made = shop(world, 12)
        assert made
        for decision in made:
            assert decision.deployment == number
            assert len(decision.model_versions) == 2
        decision = world.measured()
        champion, challenger = both(world, decision)
        assert champion != challenger
        assert decision.pmf == mixture(champion, challenger, share)
    world.ingest()
    found = audit(world.database, world.secret, KEY)
    assert found.mismatches == ()
    assert check_learned(world.database, KEY) == []


def test_a_ramp_of_another_model_serves_a_version_of_each(world: Any, spec_text: str) -> None:
    collected(world, spec_text + '[[candidates]]\nname = "plain"\ninteractions = []\n', 120)
    by_hand(world, "ramp", "plain", 0.4)
    for _ in range(2):
        made = shop(world)
        assert {len(set(d.model_versions)) for d in made} == {2}
    assert audit(world.database, world.secret, KEY).mismatches == ()
    assert check_learned(world.database, KEY) == []


def test_an_audit_recomputes_any_share_and_notices_another(world: Any, spec: Any) -> None:
    collected(world, spec, 120)
    by_hand(world, "ramp", "greedier", 0.25)
    decision = world.measured()
    pair = both(world, decision)
    auditor = Auditor(world.database, world.secret, KEY)
    stored = auditor._known
    deployment = stored.deployments[decision.deployment]

    @given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
    @example(0.25)
    def check(share: float) -> None:
        """As if the experiment had been ramped to this share."""
        pmf = mixture(*pair, share)
        draw = decision.draws[0]
        position = chosen(pmf, draw.seed)
        logged = replace(draw, pmf=pmf, arm=draw.eligible[position], propensity=pmf[position])
        made = replace(decision, draws=(logged,))
        ramped = replace(deployment, share=share)
        auditor._known = replace(stored, deployments={deployment.number: ramped})
        assert auditor.mismatch(made) is None
        auditor._known = stored
        same = pmf == decision.pmf
        assert (auditor.mismatch(made) is None) == same

    check()


def test_where_the_challenger_has_no_usable_version_the_champion_serves_alone(
    world: Any, spec_text: str
) -> None:
    collected(world, spec_text + '[[candidates]]\nname = "plain"\ninteractions = []\n', 120)
    by_hand(world, "ramp", "plain", 0.4)
    (champion, challenger) = world.measured().model_versions
    world.run("UPDATE model_version SET blob = :blob WHERE version = :v", blob=b"\0", v=challenger)
    server = world.new_server()
    made = [world.measured(server=server) for _ in range(20)]
    assert {decision.model_versions for decision in made} == {(champion,)}
    assert {decision.deployment for decision in made} == {2}
    assert server.registry.damaged == {KEY: challenger}
    world.settle()
    world.learn()
    found = audit(world.database, world.secret, KEY)
    assert {each.decision_id for each in found.mismatches}.isdisjoint(d.decision_id for d in made)


def test_a_challenger_that_fails_leaves_the_decision_to_the_champion(
    world: Any, spec: ExperimentSpec
) -> None:
    class Broken:
        version = 99

        def pmf(self, lines: Any, nothing: int) -> Any:
            raise RuntimeError("the model broke")

    collected(world, spec, 120)
    by_hand(world, "ramp", "greedier", 0.4)
    registry = world.server.registry
    live = registry.get(KEY)
    registry._live = {KEY: replace(live, challenger=Broken())}
    decision = world.measured()
    assert (decision.reason, decision.model_versions) == ("policy", (live.champion.version,))
    world.ingest()
    assert audit(world.database, world.secret, KEY).mismatches == ()


def test_an_audit_notices_versions_that_the_deployment_cannot_have_served(
    world: Any, spec_text: str
) -> None:
    collected(world, spec_text + '[[candidates]]\nname = "plain"\ninteractions = []\n', 120)
    by_hand(world, "ramp", "plain", 0.4)
    decision = world.measured()
    first, second = decision.model_versions
    auditor = Auditor(world.database, world.secret, KEY)
    assert auditor.mismatch(decision) is None
    for versions, deployment, what in (
        ((second, first), 2, "of another model than the policy's"),
        ((first,), 2, "the distribution is another one"),
        ((first, second), 1, "more model versions are recorded than policies served"),
        ((first, second), 9, "deployment 9 is not stored"),
        ((first, second), None, "deployment None is not stored"),
        ((), 2, "no model version is recorded"),
    ):
        changed = replace(decision, model_versions=versions, deployment=deployment)
        assert what in (auditor.mismatch(changed) or ""), (versions, deployment)


def both(world: Any, decision: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What champion and challenger give in the situation of a decision."""
    live = world.server.registry.get(KEY)
    lines = live.text.lines(decision.context, decision.eligible)
    nothing = decision.eligible.index("nothing")
    return live.champion.pmf(lines, nothing), live.challenger.pmf(lines, nothing)
