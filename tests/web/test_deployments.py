"""What serves an experiment: over HTTP and on its page."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.services.collecting.ingest import Ingest
from tests.signing_in import signed_in
from tests.support.learning import learn_from_bulk

KEY = "checkout-offers"
PAGE = f"/experiments/{KEY}/deployments"
API = f"/v1/experiments/{KEY}"


@pytest.fixture
def learned(running: Any, spec: Any) -> Any:
    """A running experiment whose candidate has learned."""
    learn_from_bulk(running.platform.database, spec, running.clock)
    running.serving.registry.refresh()
    return running


def call(deployment: Any, step: str, body: Any = None, key: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key or deployment.admin_key}"}
    client = deployment.console.test_client()
    return client.post(f"{API}/{step}", json={} if body is None else body, headers=headers)


def client(deployment: Any, role: Role = Role.EXPERIMENTER) -> Any:
    return signed_in(deployment.console, deployment.platform, role)


def current(deployment: Any) -> Any:
    return deployment.platform.deployments.current(KEY)


def test_every_step_over_http_and_the_shop_gets_the_mixture(learned: Any) -> None:
    ramped = call(learned, "ramp", {"policy": "greedier", "share": 0.25, "based_on": 1})
    assert ramped.status_code == 200
    body = ramped.json
    assert (body["champion"], body["challenger"], body["share"]) == ("policy", "greedier", 0.25)
    assert body["why"]["policy"]["interactions"] == 3000
    assert body["why"]["uplift_over_champion"]["n"] > 2000
    learned.serving.registry.refresh()
    answers = [learned.decide(unit_id=f"u-{n}").json for n in range(60)]
    drawn = next(each for each in answers if each["reason"] == "policy")
    assert sum(drawn["pmf"].values()) == pytest.approx(1.0)
    assert len(drawn["model_versions"]) == 2
    assert drawn["model_version"] == drawn["model_versions"][0]

    assert call(learned, "hold").json["held"]
    version = body["why"]["champion"]["model_version"]
    assert call(learned, "pin", {"version": version}).json["champion_version"] == version
    assert call(learned, "release").json["champion_version"] is None
    assert call(learned, "promote", {"policy": "greedier"}).json["champion"] == "greedier"
    assert call(learned, "roll-back").json["champion"] == "policy"

    headers = {"Authorization": f"Bearer {learned.admin_key}"}
    listed = learned.console.test_client().get(f"{API}/deployments", headers=headers).json
    assert [each["number"] for each in listed["deployments"]] == [7, 6, 5, 4, 3, 2, 1]
    models = learned.console.test_client().get(f"{API}/models", headers=headers).json["models"]
    assert {"version", "model_hash", "interactions", "published_at"} <= set(models[0])


@pytest.mark.parametrize(
    ("step", "body", "problem"),
    [
        ("ramp", {"policy": "greedier"}, (422, "invalid-body")),
        ("ramp", {"policy": "greedier", "share": 1.0}, (422, "invalid-body")),
        ("ramp", {"policy": "greedier", "share": 0.5, "more": 1}, (422, "invalid-body")),
        ("promote", {"policy": 7}, (422, "invalid-body")),
        ("promote", {"policy": "nobody"}, (404, "not-found")),
        ("hold", {"based_on": 5}, (409, "conflict")),
        ("roll-back", {}, (409, "conflict")),
        ("pin", {"version": 0}, (422, "invalid-body")),
    ],
)
def test_bad_steps_are_problems_and_change_nothing(
    learned: Any, refused: Any, step: str, body: Any, problem: tuple[int, str]
) -> None:
    refused(call(learned, step, body), *problem)
    assert current(learned).deployment.number == 1


STEPS = {
    "promote": {"policy": "greedier"},
    "ramp": {"policy": "greedier", "share": 0.5},
    "hold": {},
    "pin": {},
    "release": {},
    "roll-back": {},
}


def test_no_step_is_taken_on_what_somebody_else_has_changed(learned: Any) -> None:
    call(learned, "ramp", STEPS["ramp"])
    before = current(learned)
    team = client(learned)
    for step, body in STEPS.items():
        answer = call(learned, step, {**body, "based_on": 1})
        assert (answer.status_code, step) == (409, step)
        assert "number 2 is in force, not 1" in answer.json["detail"]
        page = team.post(f"{PAGE}/{step}", data={**body, "based_on": "1"})
        assert (page.status_code, step) == (409, step)
        assert "number 2 is in force, not 1" in page.text
    assert current(learned) == before


def test_only_keys_that_may_change_experiments_may_take_steps(learned: Any) -> None:
    keys = learned.platform.keys
    for role, status in ((Role.VIEWER, 403), (Role.ANALYST, 403), (Role.EXPERIMENTER, 200)):
        key = keys.create(role=role).text
        got = learned.console.test_client().get(
            f"{API}/deployments", headers={"Authorization": f"Bearer {key}"}
        )
        assert got.status_code == 200
        assert call(learned, "hold", key=key).status_code == status
    elsewhere = keys.create(role=Role.EXPERIMENTER, experiments=["another"]).text
    assert call(learned, "release", key=elsewhere).status_code == 403
    assert current(learned).deployment.held


def test_the_page_says_what_serves_and_leads_through_a_ramp(learned: Any) -> None:
    team = client(learned)
    page = team.get(PAGE)
    assert page.status_code == 200
    assert "The champion “policy” makes every decision." in page.text
    assert 'data-policy="greedier"' in page.text
    asked = team.get(f"{PAGE}/ramp?policy=greedier")
    assert "Uplift over the champion" in asked.text
    assert "3,000 interactions" in asked.text
    done = team.post(
        f"{PAGE}/ramp", data={"policy": "greedier", "share": "12.5 %", "based_on": "1"}
    )
    assert done.status_code == 303
    assert current(learned).deployment.share == 0.125
    page = team.get(PAGE).text
    assert "the challenger “greedier”" in page
    assert "Ramped" in page
    for path in ("hold", "pin", "release", "roll-back", "promote?policy=greedier"):
        assert team.get(f"{PAGE}/{path}").status_code == 200
    assert team.post(f"{PAGE}/hold", data={"based_on": "2"}).status_code == 303
    assert team.post(f"{PAGE}/pin", data={"based_on": "3", "version": ""}).status_code == 303
    assert "pinned to model version" in team.get(PAGE).text
    assert team.post(f"{PAGE}/roll-back", data={"based_on": "4"}).status_code == 303
    assert team.post(f"{PAGE}/release", data={"based_on": "5"}).status_code == 303
    promoted = team.post(f"{PAGE}/promote", data={"policy": "greedier", "based_on": "6"})
    assert promoted.status_code == 303
    assert "The champion “greedier” makes every decision." in team.get(PAGE).text
    history = team.get(f"/experiments/{KEY}/history").text
    assert "rolled back" in history


@pytest.mark.parametrize(
    ("step", "form", "status", "what"),
    [
        ("ramp", {"policy": "greedier", "share": "100"}, 422, "A share must be above 0"),
        ("ramp", {"policy": "greedier", "share": "much"}, 422, "must be a number of percent"),
        ("promote", {"policy": "greedier", "based_on": "9"}, 409, "was changed meanwhile"),
        ("pin", {"version": "x"}, 422, "Version must be a whole number"),
        ("roll-back", {}, 409, "There is no ramp and no earlier champion"),
    ],
)
def test_a_refused_step_says_why_on_its_page(
    learned: Any, step: str, form: dict[str, str], status: int, what: str
) -> None:
    answer = client(learned).post(f"{PAGE}/{step}", data=form)
    assert answer.status_code == status
    assert what in answer.text
    assert "Nothing was changed." in answer.text
    assert current(learned).deployment.number == 1


def test_viewers_see_the_page_without_steps(learned: Any) -> None:
    viewer = client(learned, Role.VIEWER)
    page = viewer.get(PAGE)
    assert page.status_code == 200
    assert f"{PAGE}/" not in page.text
    assert viewer.get(f"{PAGE}/promote?policy=greedier").status_code == 403


def test_there_are_no_other_steps_and_policies(learned: Any) -> None:
    team = client(learned)
    assert team.get(f"{PAGE}/explode").status_code == 404
    assert team.get(f"{PAGE}/promote?policy=nobody").status_code == 404
    assert team.get("/experiments/nobody/deployments").status_code == 404


def test_before_anything_was_learned_the_page_says_so(running: Any) -> None:
    team = client(running)
    page = team.get(PAGE).text
    assert "not valued yet" in page
    answer = team.post(f"{PAGE}/promote", data={"policy": "greedier"})
    assert answer.status_code == 409
    assert "has not learned from any interaction yet" in answer.text


def test_a_stopped_experiment_keeps_its_page_without_steps(learned: Any) -> None:
    learned.platform.change_state(KEY, Action.STOP)
    team = client(learned)
    page = team.get(PAGE)
    assert page.status_code == 200
    assert "Make it the champion" not in page.text
    answer = team.post(f"{PAGE}/promote", data={"policy": "greedier"})
    assert answer.status_code == 409


def test_a_decisions_page_names_its_deployment_and_both_versions(learned: Any) -> None:
    learned.platform.deployments.ramp(KEY, "greedier", 0.25)
    learned.serving.registry.refresh()
    answers = (learned.decide(unit_id=f"u-{n}").json for n in range(60))
    decision = next(each for each in answers if each["reason"] == "policy")
    Ingest(learned.platform.database, learned.settings.journal_dir).run_once()
    page = client(learned).get(f"/experiments/{KEY}/decisions/{decision['decision_id']}").text
    assert "deployment 2</a>" in page
    assert f"mixed with the challenger's version {decision['model_versions'][1]}" in page.replace(
        "&#39;", "'"
    )
