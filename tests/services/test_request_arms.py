"""Arms that come with requests, from the decision to what was learned and audited."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bandit_platform.domain.exclusion import ExclusionCode
from bandit_platform.domain.request_arms import ArmsReader
from bandit_platform.errors import ConflictError, ContextError, InputError
from bandit_platform.journal.erase import journal_records
from bandit_platform.journal.records import RequestArms
from bandit_platform.ope.evaluating.plan import Options
from bandit_platform.services.collecting.count_exclusions import recount_exclusions
from bandit_platform.services.collecting.forget import forget
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.evaluate_live import evaluate_live
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.log_writers import Kind
from bandit_platform.services.launching.planning import EventGuess, guessed, plan
from bandit_platform.services.launching.preview import preview
from bandit_platform.services.learning.recompute import recompute
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.trace import trace
from bandit_platform.storage.decisions import get_decision
from bandit_platform.storage.exclusions import exclusions

KEY = "catalogue"
SPEC = """
key = "catalogue"
placement = "checkout"
arms_from = "request"

[context]
cart_value = { type = "number", min = 0 }

[[arms]]
key = "upgrade"
features = { margin = 2.0, kind = "own" }
offer = { title = "Upgrade" }
when = { cart_value = { gte = 50 } }

[reward]
window = "1h"
range = [0.0, 1.0]
accept = 1.0

[policy]
publish_every = "500ms"
"""
ONLY_REQUESTS = SPEC.split("[[arms]]", maxsplit=1)[0] + "[reward]" + SPEC.split("[reward]")[1]


READER = ArmsReader()


def sku(number: int, **features: Any) -> dict[str, Any]:
    return {
        "key": f"sku-{number}",
        "features": {"margin": number / 4, "brand": f"b{number % 7}", "new": number % 2 == 0}
        | features,
    }


def ask(world: Any, arms: list[dict[str, Any]] | None, **query: Any) -> Any:
    query.setdefault("context", {"cart_value": 80.0})
    sent = None if arms is None else READER.read(arms)
    return world.ask(experiment=KEY, arms=sent, **query)


def measured(world: Any, arms: list[dict[str, Any]], **query: Any) -> Any:
    while True:
        answer = ask(world, arms, **query)
        if answer.decision.reason != "holdout":
            return answer


def stored(world: Any, decision: Any) -> Any:
    with world.database.read() as connection:
        return get_decision(connection, decision.decision_id)


def test_a_decision_chooses_among_the_arms_of_file_and_request(world: Any) -> None:
    world.launch(SPEC)
    decision = measured(world, [sku(1), sku(2), {"key": "upgrade", "features": {"margin": 9}}])
    decision = decision.decision
    assert decision.eligible == ("nothing", "upgrade", "sku-1", "sku-2")
    assert decision.request_arms.by_key["upgrade"].features == {"kind": "own", "margin": 9.0}
    world.ingest()
    found = stored(world, decision)
    assert found == decision
    assert found.request_arms.to_json() == decision.request_arms.to_json()


def test_conditions_of_the_file_hold_and_requests_rule_arms_out(world: Any) -> None:
    world.launch(SPEC)
    arms = [sku(number) for number in range(100)]
    decision = measured(
        world, arms, context={"cart_value": 10.0}, excluded_arms=("sku-3", "sku-4")
    ).decision
    assert decision.excluded["upgrade"].code is ExclusionCode.CONDITION
    assert decision.excluded["sku-3"].code is ExclusionCode.EXCLUDED_BY_REQUEST
    few = measured(world, arms, eligible_arms=("sku-7",)).decision
    assert few.eligible == ("nothing", "sku-7")
    assert len(few.excluded) == 100
    world.ingest()
    assert stored(world, decision) == decision
    assert stored(world, few) == few
    assert audit(world.database, world.secret, KEY).mismatches == ()


def test_the_offer_of_the_request_comes_before_that_of_the_file(lite: Any) -> None:
    lite.launch(SPEC)
    offers = {}
    for _ in range(80):
        answer = ask(lite, [{**sku(1), "offer": {"title": "One"}}, sku(2)])
        offers[answer.decision.arm] = answer.offer
    assert offers == {
        "nothing": None,
        "upgrade": {"title": "Upgrade"},
        "sku-1": {"title": "One"},
        "sku-2": {},
    }
    replaced = {
        answer.decision.arm: answer.offer
        for _ in range(60)
        for answer in [ask(lite, [{"key": "upgrade", "offer": {"title": "Cheaper"}}])]
    }
    assert replaced == {"nothing": None, "upgrade": {"title": "Cheaper"}}
    assert "Cheaper" not in "".join(path.read_text() for path in lite.folder.glob("*.jsonl"))


@pytest.mark.parametrize(
    ("arms", "why"),
    [
        ([sku(1), sku(1)], "a key is used twice"),
        ([{"key": "nothing"}], "nothing is always an arm"),
        ([{"key": "a", "offer": {"text": "x" * 8200}}], r"arms\[0\].offer must be at most 8192"),
        ([{"key": "a", "offer": {"x": float("nan")}}], "finite numbers only"),
    ],
)
def test_unsound_arms_are_refused(lite: Any, arms: Any, why: str) -> None:
    lite.launch(SPEC)
    with pytest.raises(InputError, match=why):
        ask(lite, arms)


def test_an_experiment_whose_arms_are_its_files_refuses_those_of_requests(lite: Any) -> None:
    lite.launch(SPEC.replace('"request"', '"file"'))
    with pytest.raises(InputError, match='arms_from = "request"'):
        ask(lite, [sku(1)])


def test_a_list_without_arms_leaves_nothing(lite: Any) -> None:
    lite.launch(ONLY_REQUESTS)
    assert measured(lite, None).decision.eligible == ("nothing",)
    assert measured(lite, []).decision.pmf == (1.0,)
    lite.settle()
    assert audit(lite.database, lite.secret, KEY).mismatches == ()
    assert lite.learn(key=KEY) == 2


def test_a_repeated_request_key_answers_the_stored_arm_with_the_offer_that_came(world: Any) -> None:
    world.launch(SPEC)
    arms = [{**sku(number), "offer": {"n": number}} for number in range(20)]
    first = ask(world, arms, unit="u", request_key="order-1")
    again = [
        {**arm, "features": dict(reversed(arm["features"].items())), "offer": {"later": True}}
        for arm in reversed(arms)
    ]
    for server in (world.server, world.new_server()):
        repeated = ask(world, again, unit="u", request_key="order-1", server=server)
        assert repeated.decision == first.decision
        assert not repeated.new
        if first.decision.arm.startswith("sku"):
            assert repeated.offer == {"later": True}
    world.ingest()
    fresh = world.new_server()
    assert ask(world, again, unit="u", request_key="order-1", server=fresh).decision.arm == (
        first.decision.arm
    )
    with pytest.raises(ConflictError):
        ask(world, arms[:-1], unit="u", request_key="order-1", server=fresh)
    with pytest.raises(ConflictError):
        ask(world, [sku(0, margin=7), *arms[1:]], unit="u", request_key="order-1")


def shop(
    world: Any, decisions: int, size: int, *, catalogue: int = 150, seed: int = 3
) -> list[Any]:
    """Decisions among some arms of a catalogue, of which shoppers like the cheap new ones."""
    chance = random.Random(seed)
    made = []
    for _ in range(decisions):
        world.clock.advance(1.0)
        answer = ask(world, [sku(each) for each in chance.sample(range(catalogue), size)])
        decision = answer.decision
        made.append(decision)
        arms = decision.request_arms
        if arms is not None and decision.arm.startswith("sku"):
            features = arms.by_key[decision.arm].features
            if features["new"] and chance.random() < 0.8:
                world.report(decision, "accept")
    return made


@pytest.mark.parametrize("size", [5, 100])
def test_what_requests_bring_is_learned_valued_and_recomputed(world: Any, size: int) -> None:
    world.launch(SPEC)
    shop(world, 250, size)
    world.settle()
    assert world.learn(key=KEY) > 200
    decided = [each for each in shop(world, 60, size, seed=4) if each.reason == "policy"]
    assert decided, "a model decides by now"
    liked = [
        each.request_arms.by_key[arm].features["new"]
        for each in decided
        for _, arm in [max(zip(each.pmf, each.eligible, strict=True))]
        if arm.startswith("sku")
    ]
    assert sum(liked) > 0.75 * len(decided), "arms are known by their features"
    world.settle()
    world.learn(key=KEY)
    found = audit(world.database, world.secret, KEY)
    assert (found.mismatches, found.checked) == ((), 310)
    assert found.recomputed == len(decided)
    rows = list(recompute(world.database, KEY))
    assert len(rows) > 250
    shown = experiment_report(world.database, KEY, world.clock())
    by_arm = {row.arm: row.interactions for row in shown.arms}
    assert sum(by_arm.values()) == len(rows)
    assert any(arm.startswith("sku-") for arm in by_arm)


def test_reports_name_the_most_frequent_arms_and_pool_the_others(lite: Any) -> None:
    lite.launch(ONLY_REQUESTS)
    for number in range(300):
        for _ in range(2 if number < 200 else 1):
            arms = [{"key": f"once-{number}"}]
            while ask(lite, arms, context={"cart_value": 1.0}).decision.arm == "nothing":
                pass
    lite.settle()
    lite.learn(key=KEY)
    shown = experiment_report(lite.database, KEY, lite.clock())
    assert len(shown.arms) <= 202
    other = next(row for row in shown.arms if row.arm == "other")
    assert other.interactions > 50
    counts = [row.interactions for row in shown.arms if row.arm.startswith("once-")]
    assert counts == sorted(counts, reverse=True)
    assert sum(row.share for row in shown.arms) == pytest.approx(1.0)
    with lite.database.read() as connection:
        counted = exclusions(connection, KEY)
    assert len({place.arm for place in counted}) <= 203
    assert recount_exclusions(lite.database, KEY) == counted


def test_ingesting_twice_and_after_forgetting_changes_nothing(world: Any, tmp_path: Any) -> None:
    world.launch(ONLY_REQUESTS)
    arms = [sku(number) for number in range(5)]
    first = measured(world, arms, unit="u-1").decision
    (segment,) = world.folder.glob("*.jsonl")
    before = segment.read_bytes()
    world.ingest()
    world.run("DELETE FROM decision")
    world.run("DELETE FROM immature")
    world.run("DELETE FROM arm_list")
    world.run("DELETE FROM request_arm")
    second = measured(world, arms).decision
    assert sum(isinstance(each, RequestArms) for each in journal_records(world.folder)) == 1
    assert segment.read_bytes().startswith(before)
    world.ingest()
    assert stored(world, second) == second
    world.run("DELETE FROM journal_position")
    world.ingest()
    assert stored(world, first) == first
    assert world.one("SELECT count(*) FROM request_arm") == 5
    assert Ingest(world.database, world.folder).run_once().damaged == 0


def test_two_nodes_share_lists_and_forgetting_a_unit_removes_its_own(
    make_world: Any, world: Any
) -> None:
    world.launch(ONLY_REQUESTS)
    other = make_world(world.database, world.clock, "second")
    arms = [sku(number) for number in range(10)]
    shared = measured(world, arms).decision
    measured(other, arms)
    own = measured(other, [sku(1), sku(99, brand="of nobody else")], unit="to-forget").decision
    for node in (world, other, world):
        node.ingest()
    assert world.one("SELECT count(*) FROM arm_list") == 2
    assert world.one("SELECT count(*) FROM request_arm") == 11
    forget(world.database, other.folder, world.secret, "to-forget", pause=0.0)
    assert stored(world, own) is None
    assert stored(world, shared).request_arms.hash == shared.request_arms.hash
    assert world.one("SELECT count(*) FROM arm_list") == 1
    assert world.one("SELECT count(*) FROM request_arm") == 10


def test_an_altered_feature_is_an_audit_mismatch(world: Any) -> None:
    world.launch(SPEC)
    decision = measured(world, [sku(1), sku(2)]).decision
    world.ingest()
    world.run(
        "UPDATE request_arm SET content = replace(content, 'b1', 'b9') WHERE content LIKE '%sku-1%'"
    )
    (found,) = audit(world.database, world.secret, KEY).mismatches
    assert found.decision_id == decision.decision_id
    assert "were changed" in found.what


def test_hostile_texts_are_kept_and_never_become_features_of_their_own(world: Any) -> None:
    world.launch(ONLY_REQUESTS)
    text = "x |c country=GB\n|a @nothing:1 é\u2028\x00"
    arms = [{"key": "a.b:c_d-e", "features": {text[:20]: text, "=": "", "@key": True}}, sku(1)]
    decision = measured(world, arms).decision
    world.report(decision)
    world.settle()
    assert world.learn(key=KEY) == 1
    traced = trace(world.database, KEY, decision.decision_id, world.secret)
    assert traced["checked"] == {"agrees": True, "what": None}
    assert traced["features"]["a.b:c_d-e"] == {text[:20]: text, "=": "", "@key": True}


def test_exports_and_estimates_use_the_features_that_came(lite: Any, tmp_path: Any) -> None:
    lite.launch(SPEC)
    shop(lite, 300, 5)
    lite.settle()
    lite.learn(key=KEY)
    path = tmp_path / "log.dsjson"
    for _ in export(lite.database, KEY, path, Kind.DSJSON):
        pass
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    actions = {each["_tag"]: each["a"] for each in lines[0]["c"]["_multi"]}
    assert {"@": "sku-1", **sku(1)["features"]} == next(
        each["a"] for line in lines for each in line["c"]["_multi"] if each["_tag"] == "sku-1"
    )
    assert actions["upgrade"] == {"@": "upgrade", "kind": "own", "margin": 2.0}
    found = evaluate_log(
        EvaluationRequest(log=path, policies=("logging", "uniform", "learn:squarecb"))
    )
    assert found.n == len(lines)
    live = evaluate_live(lite.database, KEY, ["uniform", "always:upgrade"], Options())
    assert live.n == len(lines)


def test_a_launch_checklist_and_a_preview_know_arms_of_requests(lite: Any) -> None:
    lite.launch(ONLY_REQUESTS)
    spec = lite.experiments.get(KEY).spec
    found = preview(lite.database, spec, {}, lite.clock(), [sku(1), sku(2)])
    assert list(found.eligible) == ["nothing", "sku-1", "sku-2"]
    with pytest.raises(ContextError, match=r"\[1\].key|a key is used twice"):
        preview(lite.database, spec, {}, lite.clock(), [sku(1), sku(1)])
    assert plan(spec, guessed(spec, {"accept": EventGuess(share=0.1)}), 1000.0, [0.05])
