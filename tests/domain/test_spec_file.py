from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import AmountWeight
from bandit_platform.domain.spec_file import parse_tables, parse_toml
from bandit_platform.errors import SpecError

DOCUMENTED = """
key = "confirmation-page"
placement = "confirmation"
owner = "growth"
hypothesis = "…"

[context]
cart_value = { type = "number", min = 0 }
country    = { type = "category" }
returning  = { type = "boolean" }

[[arms]]
key = "vip-upgrade"
features = { margin = 12.0, kind = "own" }
offer = { title = "VIP upgrade", url = "https://…" }
when = { cart_value = { gte = 50 }, country = { in = ["GB", "US"] } }
starts_at = 2026-12-01T00:00:00Z
ends_at = 2026-12-31T00:00:00Z

[reward]
window = "7d"
default = 0.0
range = [-5.0, 50.0]
accept = 1.0
purchase = { amount = 0.15 }
dismiss = -0.05
return = { amount = -0.15 }
complaint = -3.0

[policy]
mode = "learning"
exploration = "squarecb"
floor = 0.05
interactions = ["context*arm"]
publish_every = "60s"

[[candidates]]
name = "greedier"
exploration = "epsilon_greedy"
floor = 0.02

[holdout]
share = 0.05

[events]
secret_only = ["purchase", "return"]

[report]
time_zone = "Europe/London"
segments = ["country", "returning", { cart_value = [50, 100] }]
"""


@pytest.fixture(scope="module")
def documented() -> ExperimentSpec:
    return parse_toml(DOCUMENTED)


def test_the_documented_file_means_what_it_says(documented: ExperimentSpec) -> None:
    arm = documented.arms[0]
    assert documented.arm_keys == ("nothing", "vip-upgrade")
    assert arm.features == {"margin": 12.0, "kind": "own"}
    assert arm.offer == {"title": "VIP upgrade", "url": "https://…"}
    assert arm.when["cart_value"].operators == {"gte": 50.0}
    assert arm.when["country"].operators == {"in_": ("GB", "US")}
    assert arm.starts_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert arm.ends_at == datetime(2026, 12, 31, tzinfo=UTC)
    assert documented.context["cart_value"].min == 0
    assert documented.reward.window == timedelta(days=7)
    assert documented.reward.range == (-5.0, 50.0)
    assert documented.reward.weights == {
        "accept": 1.0,
        "purchase": AmountWeight(amount=0.15),
        "dismiss": -0.05,
        "return": AmountWeight(amount=-0.15),
        "complaint": -3.0,
    }
    assert documented.policy.publish_every == timedelta(minutes=1)
    assert documented.policy.floor == 0.05
    assert [(c.name, c.exploration, c.floor) for c in documented.candidates] == [
        ("greedier", "epsilon_greedy", 0.02)
    ]
    assert documented.holdout.share == 0.05
    assert documented.events.secret_only == ("purchase", "return")
    assert documented.report.time_zone == "Europe/London"
    assert documented.report.segments == ("country", "returning", {"cart_value": (50.0, 100.0)})


@pytest.mark.parametrize("source", ["documented", "spec"])
def test_a_spec_comes_back_from_its_json(source: str, request: pytest.FixtureRequest) -> None:
    spec: ExperimentSpec = request.getfixturevalue(source)
    text = spec.to_json()
    assert parse_tables(json.loads(text)) == spec
    assert ExperimentSpec.model_validate_json(text) == spec
    assert parse_tables(json.loads(text)).to_json() == text


def test_equal_specs_have_equal_json_however_the_file_was_ordered(spec_text: str) -> None:
    reordered = spec_text.replace('key = "checkout-offers"\n', "").replace(
        'placement = "checkout"', 'placement = "checkout"\nkey = "checkout-offers"'
    )
    assert reordered != spec_text
    assert parse_toml(reordered).to_json() == parse_toml(spec_text).to_json()


def test_what_a_file_leaves_out_is_written_out_in_json() -> None:
    tables = {
        "key": "k",
        "placement": "cart",
        "arms": [{"key": "a"}],
        "reward": {"range": [0.0, 1.0], "accept": 1.0},
    }
    written = json.loads(parse_tables(tables).to_json())
    assert written["policy"]["exploration"] == "squarecb"
    assert written["reward"]["window"] == "1w"
    assert written["report"]["time_zone"] == "UTC"
    assert "holdout" not in written  # so that it can be told from a stated one


def test_a_stated_holdout_can_be_told_from_the_default(spec_text: str) -> None:
    assert parse_toml(spec_text).holdout_is_stated
    left_out = parse_toml(spec_text.replace("[holdout]\nshare = 0.1", ""))
    assert (left_out.holdout_is_stated, left_out.holdout.share) == (False, 0.05)
    assert not parse_tables(left_out.to_file()).holdout_is_stated


FAULTY = """
key = "Confirmation Page"
placement = "confirmation"
colour = "blue"

[context]
cart_value = { type = "number", min = 5, max = 1 }
country = { type = "category" }
returning = { type = "boolean" }

[[arms]]
key = "nothing"

[[arms]]
key = "vip"
when = { country = { gte = 5 }, age = { gt = 18 } }
starts_at = 2026-12-31T00:00:00Z
ends_at = 2026-12-01T00:00:00Z

[[arms]]
key = "vip"
features = { margin = inf }
when = { returning = { eq = "yes" } }

[reward]
window = "a week"
range = [50.0, -5.0]
accept = "a lot"
purchase = { amounts = 0.15 }

[policy]
exploration = "regcb"
floor = 0.0
publish_every = "1ms"

[[candidates]]
name = "serving"

[[candidates]]
name = "twice"
parameters = { gamma = 1 }

[[candidates]]
name = "twice"
interactions = ["arm+context"]

[holdout]
share = 0.9

[events]
secret_only = ["purchase", "theft"]

[report]
time_zone = "Mars/Olympus"
segments = ["age", { country = [1, 2] }]
"""

FAULTY_PATHS = {
    "key",
    "colour",
    "context.cart_value",
    "arms[0].key",
    "arms[1].when.country",
    "arms[1].when.age",
    "arms[1].ends_at",
    "arms[2].key",
    "arms[2].features",
    "arms[2].when.returning",
    "reward.window",
    "reward.range",
    "reward.accept",
    "reward.purchase.amount",
    "reward.purchase.amounts",
    "policy.exploration",
    "policy.floor",
    "policy.publish_every",
    "candidates[0].name",
    "candidates[1].parameters",
    "candidates[2].name",
    "candidates[2].interactions",
    "holdout.share",
    "events.secret_only[1]",
    "report.time_zone",
    "report.segments[0]",
    "report.segments[1]",
}


def test_every_problem_of_a_file_is_reported_at_once_with_its_path() -> None:
    with pytest.raises(SpecError) as caught:
        parse_toml(FAULTY, "faulty.toml")
    # reward.purchase is a number or a table: read as a number it has one more problem, itself
    found = {problem.path for problem in caught.value.problems} - {"reward.purchase"}
    assert found == FAULTY_PATHS
    assert len(caught.value.problems) == len({p.path for p in caught.value.problems})
    assert caught.value.source == "faulty.toml"
    for problem in caught.value.problems:
        assert problem.message
        assert str(problem) in str(caught.value)


def test_a_text_that_is_no_toml_is_one_problem() -> None:
    with pytest.raises(SpecError, match=r"not valid TOML.*line 2"):
        parse_toml('key = "k"\nplacement = cart\n')


def test_an_empty_file_lists_what_is_missing() -> None:
    with pytest.raises(SpecError) as caught:
        parse_toml("")
    assert {(p.path, p.message) for p in caught.value.problems} == {
        (path, "is missing") for path in ("key", "placement", "arms", "reward")
    }
