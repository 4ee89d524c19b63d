"""One fault at a time in an otherwise valid file: the path and the words it is refused with."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bandit_platform.domain.policy_spec import EXPLORATIONS
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.errors import Problem, SpecError

TABLES: dict[str, Any] = {
    "key": "k",
    "placement": "cart",
    "context": {
        "cart_value": {"type": "number"},
        "country": {"type": "category"},
        "returning": {"type": "boolean"},
    },
    "arms": [{"key": "a"}, {"key": "b"}],
    "reward": {"range": [-1.0, 1.0], "accept": 1.0, "purchase": {"amount": 0.1}},
    "policy": {},
    "candidates": [{"name": "other"}],
    "holdout": {},
    "events": {},
    "report": {},
}

#: (where to put it, what to put there)
Edit = tuple[tuple[str | int, ...], Any]


def edited(*edits: Edit) -> dict[str, Any]:
    tables = copy.deepcopy(TABLES)
    for (*way, last), value in edits:
        place: Any = tables
        for step in way:
            place = place[step]
        place[last] = value
    return tables


def problems_of(*edits: Edit) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse_tables(edited(*edits))
    return caught.value.problems


def problem_of(*edits: Edit) -> Problem:
    (problem,) = problems_of(*edits)
    return problem


def test_the_tables_that_the_faults_are_put_into_are_valid() -> None:
    assert parse_tables(TABLES).arm_keys == ("nothing", "a", "b")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("regcb", "propensity of zero"),
        ("regcbopt", "ties a probability of one each"),
        ("synthcover", "propensity of zero"),
        ("first", "propensity of zero after its first phase"),
        ("squarecb_elim", "negative probabilities"),
        ("bag", "does not go on exactly after a restart"),
        ("cover", "does not go on exactly after a restart"),
    ],
)
@pytest.mark.parametrize("table", ["policy", "candidates"])
def test_unsound_explorations_are_refused_with_the_reason(
    table: str, name: str, reason: str
) -> None:
    way: tuple[str | int, ...] = ("policy",) if table == "policy" else ("candidates", 0)
    problem = problem_of(((*way, "exploration"), name))
    assert problem.path == ("policy" if table == "policy" else "candidates[0]") + ".exploration"
    assert reason in problem.message
    assert ", ".join(EXPLORATIONS) in problem.message


@pytest.mark.parametrize("name", ["", "thompson", "--squarecb --elim", "squarecb --elim"])
def test_an_unknown_exploration_lists_the_known_ones(name: str) -> None:
    problem = problem_of((("policy", "exploration"), name))
    assert problem.message == f"must be one of {', '.join(EXPLORATIONS)}"


@pytest.mark.parametrize("name", EXPLORATIONS)
def test_a_parameter_of_another_exploration_is_refused(name: str) -> None:
    problem = problem_of(
        (("policy", "exploration"), name), (("policy", "parameters"), {"elim": 1.0})
    )
    assert problem.path == "policy.parameters"
    assert all(known in problem.message for known in EXPLORATIONS[name])


@pytest.mark.parametrize(
    ("exploration", "parameters"),
    [
        ("epsilon_greedy", {"epsilon": 1.01}),
        ("epsilon_greedy", {"epsilon": -0.1}),
        ("epsilon_greedy", {"epsilon": float("nan")}),
        ("softmax", {"lambda": 1e300}),
        ("squarecb", {"gamma_scale": 1e300}),
        ("squarecb", {"gamma_exponent": float("inf")}),
    ],
)
def test_parameters_that_vowpal_wabbit_cannot_take_are_refused(
    exploration: str, parameters: dict[str, float]
) -> None:
    edits: list[Edit] = [
        (("policy", "exploration"), exploration),
        (("policy", "parameters"), parameters),
    ]
    assert problem_of(*edits).path.startswith("policy.parameters")


@pytest.mark.parametrize(
    "name", ["serving", "logging", "uniform", "nothing", "always", "always-vip", "always:vip"]
)
def test_candidates_cannot_take_the_names_of_built_in_policies(name: str) -> None:
    assert problem_of((("candidates", 0, "name"), name)).path == "candidates[0].name"


def test_nothing_cannot_be_listed() -> None:
    problem = problem_of((("arms", 1, "key"), "nothing"))
    assert problem == Problem(
        path="arms[1].key", message="the arm nothing exists without being listed"
    )


@pytest.mark.parametrize("key", ["", "Vip", "a b", "a|b", "-a", "é", "a\n", "a" * 65, "a.b", "a:b"])
@pytest.mark.parametrize("way", [("key",), ("placement",), ("arms", 0, "key")])
def test_keys_are_lower_case_words(key: str, way: tuple[str | int, ...]) -> None:
    path = "arms[0].key" if way[0] == "arms" else str(way[0])
    assert problem_of((way, key)).path == path


@pytest.mark.parametrize("name", ["", "1st", "a b", "a:b", "a|b", "é", "x" * 65, "a\n"])
def test_context_names_are_identifiers(name: str) -> None:
    (problem,) = problems_of((("context", name), {"type": "boolean"}))
    assert problem.path.startswith("context")


@pytest.mark.parametrize(
    "window", ["", "7", "7 days", "-1s", "d", "99ms", "367d", "1e3s", "9" * 30 + "d", 7, 7.5, True]
)
def test_bad_windows_are_refused(window: Any) -> None:
    assert problem_of((("reward", "window"), window)).path == "reward.window"


@pytest.mark.parametrize("every", ["499ms", "soon", 60, "9" * 30 + "d"])
def test_bad_publishing_intervals_are_refused(every: Any) -> None:
    assert problem_of((("policy", "publish_every"), every)).path == "policy.publish_every"


@pytest.mark.parametrize(
    "bounds",
    [[1.0, 1.0], [1.0, -1.0], [float("nan"), 1.0], [0.0, float("inf")], [float("-inf"), 0.0]],
)
def test_a_range_is_two_finite_numbers_in_order(bounds: list[float]) -> None:
    assert problem_of((("reward", "range"), bounds)).path == "reward.range"


@pytest.mark.parametrize("bounds", [[1.0], [0.0, 1.0, 2.0], [], "0..1", 5, {"low": 0}])
def test_a_range_has_two_ends(bounds: Any) -> None:
    paths = {problem.path for problem in problems_of((("reward", "range"), bounds))}
    assert paths
    assert all(path.startswith("reward.range") for path in paths)


@pytest.mark.parametrize("default", [-1.5, 1.5])
def test_the_default_reward_lies_inside_the_range(default: float) -> None:
    assert problem_of((("reward", "default"), default)) == Problem(
        path="reward.default", message="must lie inside range"
    )


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), {"amount": float("inf")}])
def test_weights_are_finite(weight: Any) -> None:
    paths = {problem.path for problem in problems_of((("reward", "accept"), weight))}
    assert all(path.startswith("reward") for path in paths)


def test_a_reward_needs_an_event_type() -> None:
    assert problem_of((("reward",), {"range": [0.0, 1.0]})).path == "reward"


@pytest.mark.parametrize("share", [-0.01, 0.51, float("nan"), "half"])
def test_the_holdout_is_at_most_half(share: Any) -> None:
    assert problem_of((("holdout", "share"), share)).path == "holdout.share"


@pytest.mark.parametrize("floor", [0.0, 0.0009, 1.01, -1.0, float("nan"), "0.1"])
def test_the_floor_is_never_zero(floor: Any) -> None:
    assert problem_of((("policy", "floor"), floor)).path == "policy.floor"


@pytest.mark.parametrize(
    ("floor", "path", "words"),
    [
        ({"nothing": 0.0}, "policy.floor.nothing", "greater than or equal to 0.001"),
        ({"offers": 0.0009}, "policy.floor.offers", "greater than or equal to 0.001"),
        ({"nothing": 1.0}, "policy.floor.nothing", "less than 1"),
        ({"nothing": "0.1"}, "policy.floor.nothing", "valid number"),
        ({"nothing": 0.5, "offers": 0.5}, "policy.floor", "must add up to less than 1"),
        ({"nothing": 0.1, "upgrade": 0.1}, "policy.floor.upgrade", "is not known here"),
        ([0.1], "policy.floor", "valid number"),
    ],
)
def test_what_is_wrong_with_a_table_of_floors_is_said(floor: Any, path: str, words: str) -> None:
    problem = problem_of((("policy", "floor"), floor))
    assert problem.path == path
    assert words in problem.message
    nested = problem_of((("candidates", 0, "floor"), floor))
    assert nested.path == path.replace("policy", "candidates[0]")


@pytest.mark.parametrize("value", [-0.1, 2e6, float("nan"), "1"])
def test_a_minimum_value_is_a_number_of_at_least_zero(value: Any) -> None:
    problem = problem_of((("policy", "minimum_value"), value))
    assert problem.path == "policy.minimum_value"


@pytest.mark.parametrize("zone", ["", "Mars", "Europe/Londn", "../../etc/passwd", "/etc/passwd"])
def test_unknown_time_zones_are_refused(zone: str) -> None:
    assert problem_of((("report", "time_zone"), zone)).path == "report.time_zone"


def test_duplicate_arms_and_candidates_point_at_the_first() -> None:
    assert problem_of((("arms", 1, "key"), "a")) == Problem(
        path="arms[1].key", message="is used before, by arms[0]"
    )
    assert problem_of((("candidates",), [{"name": "x"}, {"name": "y"}, {"name": "x"}])) == Problem(
        path="candidates[2].name", message="is used before, by candidates[0]"
    )


def test_positions_count_broken_entries_too() -> None:
    arms = ["a", {"key": "b"}, {"key": "b", "when": {"age": {"gt": 1}}}]
    paths = {problem.path for problem in problems_of((("arms",), arms))}
    assert paths == {"arms[0]", "arms[2].key", "arms[2].when.age"}


def test_equal_entries_are_each_reported() -> None:
    arm = {"key": "b", "when": {"age": {"gt": 1}}}
    paths = {problem.path for problem in problems_of((("arms",), [arm, dict(arm)]))}
    assert paths == {"arms[0].when.age", "arms[1].when.age", "arms[1].key"}


@pytest.mark.parametrize(
    ("condition", "word"),
    [
        ({"age": {"gt": 18}}, "not declared"),
        ({"country": {"gte": 5}}, "needs a number, not a category"),
        ({"returning": {"lt": 1}}, "needs a number, not a boolean"),
        ({"country": {"eq": 5}}, "another type"),
        ({"country": {"in": ["GB", 5]}}, "another type"),
        ({"country": {"not_in": [True]}}, "another type"),
        ({"returning": {"eq": "yes"}}, "another type"),
        ({"returning": {"ne": 1}}, "another type"),
        ({"cart_value": {"eq": True}}, "another type"),
        ({"cart_value": {"in": [1, "2"]}}, "another type"),
    ],
)
def test_conditions_fit_the_declared_context(condition: dict[str, Any], word: str) -> None:
    problem = problem_of((("arms", 1, "when"), condition))
    assert problem.path == f"arms[1].when.{next(iter(condition))}"
    assert word in problem.message


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"eq": None},
        {"above": 5},
        {"gte": "50"},
        {"gte": True},
        {"gte": float("nan")},
        {"eq": float("nan")},
        {"in": [1.0, float("inf")]},
        {"in": 5},
        50,
    ],
)
def test_conditions_say_something_that_can_be_checked(condition: Any) -> None:
    problems = problems_of((("arms", 0, "when"), {"cart_value": condition}))
    assert all(problem.path.startswith("arms[0].when.cart_value") for problem in problems)


def test_a_schedule_ends_after_it_starts_and_names_its_offset() -> None:
    start, end = "2026-12-31T00:00:00Z", "2026-12-01T00:00:00Z"
    arm = {"key": "a", "starts_at": start, "ends_at": end}
    assert problem_of((("arms", 0), arm)).path == "arms[0].ends_at"
    naive = {"key": "a", "starts_at": "2026-12-31T00:00:00"}
    assert problem_of((("arms", 0), naive)).path == "arms[0].starts_at"


@pytest.mark.parametrize(
    ("start", "end", "sound"),
    [
        ("2026-12-01T10:00:00+05:00", "2026-12-01T06:00:00Z", True),
        ("2026-12-01T02:00:00-05:00", "2026-12-01T06:00:00Z", False),
    ],
)
def test_schedules_are_compared_as_moments_not_as_text(start: str, end: str, sound: bool) -> None:
    edit: Edit = (("arms", 0), {"key": "a", "starts_at": start, "ends_at": end})
    if sound:
        assert parse_tables(edited(edit)).arms[0].starts_at is not None
    else:
        assert problem_of(edit).path == "arms[0].ends_at"


@pytest.mark.parametrize(
    "segment",
    [
        "age",
        {"age": [1]},
        {"country": [1]},
        ["country"],
        5,
        {"cart_value": ["x"]},
        {"cart_value": [float("nan")]},
    ],
)
def test_segments_are_declared_fields(segment: Any) -> None:
    paths = {p.path for p in problems_of((("report", "segments"), ["country", segment]))}
    assert all(path.startswith("report.segments[1]") for path in paths)
    assert not any("dict" in path for path in paths)


@pytest.mark.parametrize("name", ["theft", "window", "range", "currency", ["purchase"], 5])
def test_secret_only_names_event_types_of_the_reward(name: Any) -> None:
    (problem,) = problems_of((("events", "secret_only"), ["purchase", name]))
    assert problem.path == "events.secret_only[1]"


@pytest.mark.parametrize(
    "offer", [{"price": float("nan")}, {"deep": [{"x": float("inf")}]}, {"text": "x" * 9000}]
)
def test_an_offer_is_small_and_plain_json(offer: dict[str, Any]) -> None:
    assert problem_of((("arms", 0, "offer"), offer)).path.startswith("arms[0].offer")


@pytest.mark.parametrize(
    ("way", "value", "path"),
    [
        (("arms", 0, "offer"), {"text": "\ud800"}, "arms[0].offer.text"),
        (("arms", 0, "offer"), {"deep": [{"\udfff": 1}]}, "arms[0].offer.deep[0]"),
        (("arms", 1, "features"), {"kind": "a\ud83d"}, "arms[1].features.kind"),
        (("arms", 0, "when"), {"country": {"in": ["GB", "\ud800"]}}, "arms[0].when.country.in[1]"),
        (("owner",), "\ud800", "owner"),
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(way: Any, value: Any, path: str) -> None:
    problem = problem_of((way, value))
    assert (problem.path, problem.message) == (path, "must be valid Unicode text")


def test_an_offer_without_end_is_refused_and_a_deep_one_comes_back() -> None:
    offer: Any = {}
    for _ in range(95):
        offer = {"x": offer}
    spec = parse_tables(edited((("arms", 0, "offer"), offer)))
    assert type(spec).model_validate_json(spec.to_json()) == spec
    for _ in range(10_000):
        offer = {"x": [offer]}
    (problem,) = problems_of((("arms", 0, "offer"), offer))
    assert (problem.path, problem.message) == ("arms[0]", "is nested too deeply")


@pytest.mark.parametrize("table", ["", "reward.purchase", "policy", "holdout", "events", "report"])
def test_unknown_entries_are_refused(table: str) -> None:
    way = tuple(table.split(".")) if table else ()
    paths = {problem.path for problem in problems_of(((*way, "surprise"), {"x": 1}))}
    assert f"{table}.surprise".removeprefix(".") in paths


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("value", [5, "a|b", [5], [[]], {"x": [5]}, None, True])
def test_a_table_of_the_wrong_kind_is_a_problem_not_a_crash(table: str, value: Any) -> None:
    paths = {problem.path for problem in problems_of(((table,), value))}
    assert table in {path.split(".")[0].split("[")[0] for path in paths}


def test_too_many_arms_or_fields_are_refused() -> None:
    arms = [{"key": f"arm-{i}"} for i in range(101)]
    assert problem_of((("arms",), arms)).path == "arms"
    fields = {f"f{i}": {"type": "boolean"} for i in range(51)}
    assert problem_of((("context",), fields)).path == "context"
    assert problem_of((("arms",), [])).path == "arms"


CART: Edit = (("context", "cart_skus"), {"type": "set", "values": ["MUG-1", "PEN-1"]})


@pytest.mark.parametrize(
    ("name", "condition", "message"),
    [
        ("country", {"contains": "GB"}, "which needs a set, not a category"),
        ("cart_value", {"contains_any": ["GB"]}, "which needs a set, not a number"),
        ("cart_skus", {"eq": "MUG-1"}, "compares a set, which needs contains, contains_any"),
        ("cart_skus", {"in": ["MUG-1"]}, "compares a set, which needs contains"),
        ("cart_skus", {"gte": 1}, "compares a set, which needs contains"),
        ("cart_skus", {"contains": "POT-1"}, "not one of the field's declared values"),
        ("cart_skus", {"contains_none": ["MUG-1", "POT-1"]}, "not one of the field's declared"),
    ],
)
def test_conditions_on_sets_fit_the_declared_field(
    name: str, condition: dict[str, Any], message: str
) -> None:
    problem = problem_of(CART, (("arms", 1, "when"), {name: condition}))
    assert problem.path == f"arms[1].when.{name}"
    assert message in problem.message


@pytest.mark.parametrize("wanted", [{"contains": 1}, {"contains_any": []}, {"contains_any": "A"}])
def test_conditions_on_sets_compare_with_texts(wanted: dict[str, Any]) -> None:
    problems = problems_of(CART, (("arms", 1, "when"), {"cart_skus": wanted}))
    assert all(problem.path.startswith("arms[1].when.cart_skus") for problem in problems)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"not_if_in": "cart_skus"}, "needs the arm's sku"),
        ({"not_if_in": "basket", "sku": "MUG-1"}, "is not declared under [context]"),
        ({"not_if_in": "country", "sku": "MUG-1"}, "needs a field of type set, not a category"),
        ({"not_if_in": "cart_skus", "sku": "POT-1"}, "do not include the arm's sku"),
    ],
)
def test_not_if_in_names_a_set_that_can_hold_the_sku(arm: dict[str, Any], message: str) -> None:
    problem = problem_of(CART, (("arms", 1), {"key": "b", **arm}))
    assert problem.path == "arms[1].not_if_in"
    assert message in problem.message


@pytest.mark.parametrize("most", [0, 51, True, "5"])
def test_a_set_has_room_for_one_to_fifty_values(most: Any) -> None:
    edit = (("context", "cart_skus"), {"type": "set", "max_items": most})
    assert problem_of(edit).path == "context.cart_skus.max_items"


def test_a_field_called_as_a_type_keeps_its_name_in_the_path() -> None:
    field = {"type": "category", "values": 5}
    assert problem_of((("context", "category"), field)).path.startswith("context.category.values")
