"""An experiment's past on a page: what changed, who did it, and models side by side."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.actor import Actor
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.policies.arguments import model_hash, policy_hash, vowpal_arguments
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.storage.models import ModelVersion, note_model_uses, publish_version
from tests.signing_in import signed_in

KEY = "checkout-offers"
PAGE = f"/experiments/{KEY}/history"


def client(deployment: Any, role: Role = Role.EXPERIMENTER) -> Any:
    return signed_in(deployment.console, deployment.platform, role)


def publish(deployment: Any, spec: Any, version: int, lessons: int) -> bytes:
    """A model version that has learned from so many accepted insurances."""
    policy, explorer = LearnedPolicy.fresh(spec.policy), Explorer(spec.policy)
    lines = FeatureText(spec).lines({"cart_value": 20.0}, ("nothing", "insurance"))
    for lesson in range(lessons):
        policy.predict_and_learn(lines, explorer, 0, position=1, cost=-1.0, interaction=lesson)
    blob = policy.model.save()
    described = ModelVersion(
        experiment=KEY,
        version=version,
        model_hash=model_hash(spec.policy),
        arguments=vowpal_arguments(spec.policy),
        blob_hash=blob_hash(blob),
        interactions=lessons,
        cursor=lessons,
        published_at=deployment.clock(),
    )
    with deployment.platform.database.write() as connection:
        publish_version(connection, described, blob)
    return blob


@pytest.fixture
def learned(running: Any, spec: Any) -> Any:
    """Two versions, one of which has decided."""
    publish(running, spec, 1, 2)
    publish(running, spec, 2, 300)
    with running.platform.database.write() as connection:
        note_model_uses(connection, {(KEY, 1)})
    return running


def test_revisions_tell_what_changed_and_by_whom(running: Any, spec_text: str) -> None:
    anna = Actor(kind="user", name="anna <b>")
    running.platform.apply_experiment(parse_toml('owner = "growth"' + spec_text), by=anna)
    running.platform.apply_experiment(
        parse_toml('owner = "growth"' + spec_text.replace("floor = 0.1", "floor = 0.2"))
    )
    page = client(running, Role.VIEWER).get(PAGE).text
    assert re.findall(r'data-revision="(\d)"', page) == ["3", "2", "1"]
    parts = page.split("data-revision=")
    assert 'data-path="policy.floor"' in parts[1]
    assert "marked in charts" in parts[1]
    assert "not marked: nobody is shown anything else" in parts[2]
    assert "by anna &lt;b&gt;" in parts[2]
    assert "<b>" not in page
    log = page[page.index('id="log"') :]
    assert log.index("changed") < log.index("started") < log.index("created")


def test_changes_of_a_draft_are_in_no_chart(draft: Any, spec_text: str) -> None:
    changed = spec_text.replace("floor = 0.1", "floor = 0.2")
    draft.clock.advance(1)
    draft.platform.apply_experiment(parse_toml(changed))
    draft.clock.advance(1)
    draft.platform.apply_experiment(parse_toml('owner = "growth"' + changed))
    before = client(draft, Role.VIEWER).get(PAGE).text.split("data-revision=")
    assert ["from before the start" in part for part in before[1:]] == [True, True, True]
    draft.clock.advance(1)
    draft.platform.change_state(KEY, Action.START)
    parts = client(draft, Role.VIEWER).get(PAGE).text.split("data-revision=")
    assert "marked in charts: in force at the start" in parts[1]
    assert ["not marked: from before the start" in part for part in parts[2:]] == [True, True]
    assert "a line in every chart" not in "".join(parts)
    report = draft.platform.report(KEY)
    assert [mark.number for mark in report.revisions] == [3]


def test_an_experiment_without_models_says_so(running: Any) -> None:
    assert "None published yet" in client(running).get(PAGE).text


def test_versions_are_listed_and_compared(learned: Any) -> None:
    team = client(learned)
    page = team.get(PAGE).text
    assert re.findall(r'data-version="(\d)"', page) == ["2", "1"]
    assert "has decided" in page
    assert "never decided" in page
    query = {"first": "1", "second": "2", "try-cart_value": "20"}
    page = team.get(PAGE, query_string=query).text
    comparison = page[page.index('id="comparison"') :]
    cells = {
        arm: (float(a), float(b))
        for arm, a, b in re.findall(
            r'<tr data-arm="(\w+)">.*?<td>([\d.]+).*?<td>([\d.]+)', comparison
        )
    }
    assert set(cells) == {"nothing", "insurance"}, "20 is too little for the upgrade"
    assert cells["insurance"][1] > cells["insurance"][0]
    assert "300 interactions" in comparison


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"first": "1", "second": "99"}, 404),
        ({"first": "x", "second": "1"}, 404),
        ({"before": "9" * 40}, 404),
        ({"before": "0" * 20 + "9" * 40}, 404),
        ({"before": "0" * 5000}, 404),
        ({"first": "1", "second": "0" * 12 + "9" * 19}, 404),
        ({"before": "2"}, 200),
        ({"first": "1", "second": "2", "try-cart_value": "<script>"}, 200),
    ],
)
def test_odd_addresses(learned: Any, query: dict[str, str], status: int) -> None:
    answer = client(learned).get(PAGE, query_string=query)
    assert answer.status_code == status
    assert "<script>" not in answer.text
    if "try-cart_value" in query:
        assert "must be a number" in answer.text


def test_a_model_can_be_downloaded_by_analysts(learned: Any, spec: Any) -> None:
    path = f"{PAGE}/models/1"
    blob = client(learned, Role.ANALYST).get(path)
    assert blob.status_code == 200
    assert blob.headers["Content-Disposition"] == f'attachment; filename="{KEY}-1.vw"'
    restored = LearnedPolicy.load(blob.data)
    arms = ("nothing", "insurance")
    lines = FeatureText(spec).lines({"cart_value": 20.0}, arms)
    assert sum(restored.pmf(lines, Explorer(spec.policy), 0)) == pytest.approx(1)
    viewer = client(learned, Role.VIEWER)
    assert viewer.get(path).status_code == 403
    assert "/models/1" not in viewer.get(PAGE).text
    assert client(learned, Role.ANALYST).get(f"{PAGE}/models/7").status_code == 404
    assert client(learned, Role.ANALYST).get(f"{PAGE}/models/{10**30}").status_code == 404


def test_a_damaged_model_is_not_handed_out(learned: Any) -> None:
    from sqlalchemy import text  # noqa: PLC0415 - only here

    with learned.platform.database.write() as connection:
        connection.execute(
            text("UPDATE model_version SET blob = :b WHERE version = 1"), {"b": b"x"}
        )
    team = client(learned)
    assert team.get(f"{PAGE}/models/1").status_code == 503
    page = team.get(PAGE, query_string={"first": "1", "second": "2"}).text
    assert "does not have its hash" in page


def test_the_preview_uses_the_served_model(learned: Any, spec: Any) -> None:
    from bandit_platform.services.launching.preview import preview  # noqa: PLC0415 - only here

    database, now = learned.platform.database, learned.clock()
    found = preview(database, spec, {"cart_value": 20.0}, now)
    assert found.model_version == 2
    assert found.eligible["insurance"] > 0.6
    learned.serving.registry.refresh()
    for unit in range(40):
        answer = learned.decide(unit_id=f"u{unit}", context={"cart_value": 20.0}).json
        if answer["reason"] == "policy":
            assert answer["pmf"] == pytest.approx(dict(found.eligible))
            break
    else:
        raise AssertionError("every unit was held out")
    other = spec.model_copy(
        update={"policy": spec.policy.model_copy(update={"learning_rate": 0.5})}
    )
    assert policy_hash(other.policy) != policy_hash(spec.policy)
    assert isinstance(other.policy, Exploration)
    assert preview(database, other, {}, now).model_version is None
