"""Arms that come with requests, over HTTP as shops send them."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from bandit_platform.domain.spec_file import parse_toml

PATH = "/v1/experiments/catalogue/decisions"
SPEC = """
key = "catalogue"
placement = "checkout"
arms_from = "request"

[context]
cart_value = { type = "number", min = 0 }

[[arms]]
key = "upgrade"
features = { margin = 2.0 }
offer = { title = "Upgrade" }

[reward]
window = "1h"
range = [0.0, 1.0]
accept = 1.0

[holdout]
share = 0.0
"""


@pytest.fixture
def catalogue(running: Any) -> Any:
    running.launch(parse_toml(SPEC))
    return running


def arm(number: int, **more: Any) -> dict[str, Any]:
    features = {"margin": number / 4, "brand": "acme", "new": number % 2 == 0}
    return {"key": f"sku-{number}", "features": features, **more}


def test_arms_of_a_request_are_chosen_and_their_offer_comes_back(catalogue: Any) -> None:
    arms = [arm(number, offer={"title": f"No. {number}"}) for number in range(5)]
    seen = {}
    for number in range(120):
        answer = catalogue.post(PATH, {"unit_id": f"u-{number}", "arms": arms})
        assert answer.status_code == 201
        assert list(answer.json["pmf"]) == ["nothing", "upgrade", *(each["key"] for each in arms)]
        seen[answer.json["arm"]] = answer.json["offer"]
    expected = {each["key"]: each["offer"] for each in arms}
    assert seen == {"nothing": None, "upgrade": {"title": "Upgrade"}, **expected}


def test_a_hundred_arms_may_have_256_kib(catalogue: Any) -> None:
    arms = [arm(number, offer={"text": "x" * 2400}) for number in range(100)]
    body = {"unit_id": "u", "arms": arms}
    assert 240_000 < len(json.dumps(body)) < 256 * 1024
    assert catalogue.post(PATH, body).status_code == 201
    longer = {**body, "arms": [arm(n, offer={"text": "x" * 2600}) for n in range(100)]}
    answer = catalogue.post(PATH, longer)
    assert answer.status_code == 413
    assert str(256 * 1024) in answer.json["detail"]


def test_other_experiments_keep_32_kib_and_refuse_arms(catalogue: Any) -> None:
    path = PATH.replace("catalogue", "checkout-offers")
    answer = catalogue.post(path, {"unit_id": "u", "arms": [arm(1)]})
    assert answer.status_code == 422
    assert "arms_from" in answer.json["detail"]
    long = catalogue.post(path, {"unit_id": "u", "arms": [arm(1, offer={"t": "x" * 33_000})]})
    assert long.status_code == 413


@pytest.mark.parametrize(
    "arms",
    [
        [arm(1), arm(1)],
        [{"key": "nothing"}],
        [{"key": "x" * 65}],
        [{"key": "a b"}],
        [{"key": "a|b"}],
        [{"key": "-a"}],
        [{"key": ""}],
        [{"key": 7}],
        [{"key": "a\n"}],
        [{}],
        ["a"],
        [None],
        {"a": 1},
        [{"key": "a", "price": 3}],
        [{"key": "a", "features": {"x": None}}],
        [{"key": "a", "features": {"x": [1]}}],
        [{"key": "a", "features": {"": 1}}],
        [{"key": "a", "features": {"x" * 65: 1}}],
        [{"key": "a", "features": {"x": "y" * 257}}],
        [{"key": "a", "features": {f"f{n}": n for n in range(51)}}],
        [{"key": "a", "offer": "text"}],
        [{"key": "a", "offer": {"text": "x" * 8200}}],
        [{"key": f"a{n}"} for n in range(101)],
    ],
)
def test_malformed_arms_are_refused(catalogue: Any, arms: Any) -> None:
    before = catalogue.journal()
    answer = catalogue.post(PATH, {"unit_id": "u", "arms": arms})
    assert answer.status_code == 422, answer.json
    assert answer.json["type"].startswith("urn:bandit-platform:")
    assert catalogue.journal() == before


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"key": "a", "features": {"x": 1e999}}', 422),
        ('{"key": "a", "features": {"x": NaN}}', 422),
        ('{"key": "a", "features": {"x": "\\ud800"}}', 400),
        ('{"key": "a", "features": {"\\udfff": 1}}', 400),
        ('{"key": "a", "offer": {"x": NaN}}', 422),
        ('{"key": "a", "offer": {"x": "\\ud800"}}', 400),
        ('{"key": "a", "offer": {"x": ' + "[" * 3000 + "]" * 3000 + "}}", 400),
    ],
)
def test_what_is_no_json_value_is_refused(catalogue: Any, text: str, status: int) -> None:
    data = f'{{"unit_id": "u", "arms": [{text}]}}'
    answer = catalogue.post(PATH, data.encode())
    assert answer.status_code == status


def test_true_and_one_are_different_features(catalogue: Any) -> None:
    for value in (True, 1, 1.0, "1", False, 0):
        arms = [{"key": "a", "features": {"x": value}}]
        assert catalogue.post(PATH, {"unit_id": "u", "arms": arms}).status_code == 201
    kinds = {
        json.dumps(json.loads(line)["arms"][-1][1]["x"])
        for line in catalogue.journal().splitlines()
        if '"k":"arms"' in line
    }
    assert kinds == {"true", "1.0", '"1"', "false", "0.0"}


def test_a_request_key_answers_the_same_arm_however_its_arms_are_spelled(catalogue: Any) -> None:
    arms = [arm(number, offer={"n": number}) for number in range(4)]
    for number in count():
        body = {"unit_id": "u", "request_key": f"order-{number}", "arms": arms}
        first = catalogue.post(PATH, body)
        if first.json["arm"].startswith("sku"):
            break
    spelled = [
        {"offer": {"n": "again"}, "features": {"new": n % 2 == 0, "brand": "acme", "margin": n / 4}}
        | {"key": f"sku-{n}"}
        for n in (3, 1, 0, 2)
    ]
    again = catalogue.post(PATH, {**body, "arms": spelled})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json["arm"] == first.json["arm"]
    assert again.json["offer"] == {"n": "again"}
    other = catalogue.post(PATH, {**body, "arms": arms[:3]})
    assert other.status_code == 409


def test_a_context_field_called_arms_is_not_taken_for_them(catalogue: Any) -> None:
    context = {"arms": [{"key": "sku-1"}]}
    answer = catalogue.post(PATH, {"unit_id": "u", "context": context})
    assert answer.status_code == 422
    both = b'{"unit_id": "u", "context": {"arms": [{"key": "sku-1"}]}, "\\u0061rms": []}'
    assert catalogue.post(PATH, both).status_code == 422


def test_metrics_name_two_hundred_arms_and_pool_the_others(catalogue: Any) -> None:
    for number in range(300):
        arms = [{"key": f"once-{number}-{n}"} for n in range(40)]
        catalogue.post(PATH, {"unit_id": f"u-{number}", "arms": arms})
    headers = {"Authorization": f"Bearer {catalogue.admin_key}"}
    text = catalogue.shop.test_client().get("/metrics", headers=headers).get_data(as_text=True)
    lines = [line for line in text.splitlines() if 'experiment="catalogue"' in line]
    named = {line.split('arm="')[1].split('"')[0] for line in lines if 'arm="' in line}
    assert "other" in named
    assert len(named - {"nothing", "other"}) == 200


@pytest.fixture
def page(catalogue: Any) -> dict[str, str]:
    key = catalogue.platform.keys.create(
        role=None, origins=("https://shop.example",), experiments=("catalogue",)
    )
    catalogue.serving.registry.refresh()
    return {"Authorization": f"Bearer {key.text}", "Origin": "https://shop.example"}


def test_pages_may_bring_arms_with_a_publishable_key(catalogue: Any, page: Any) -> None:
    body = {"unit_id": "u", "arms": [arm(1, offer={"title": "One"}), arm(2)]}
    answer = catalogue.post(PATH, body, headers=page, kind="text/plain")
    assert answer.status_code == 201
    assert set(answer.json["pmf"]) == {"nothing", "upgrade", "sku-1", "sku-2"}
    assert '"trusted":false' in catalogue.journal()
