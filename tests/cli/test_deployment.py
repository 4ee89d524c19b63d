"""The commands that change what serves an experiment."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build
from bandit_platform.domain.lifecycle import Action
from bandit_platform.settings import Settings
from tests.support.databases import place_database
from tests.support.learning import learn_from_bulk

KEY = "checkout-offers"


@pytest.fixture
def learned(tmp_path: Path, spec: Any, clock: Any) -> None:
    """A running experiment whose candidate has learned, in the data folder of ``run``."""
    platform = build(Settings(data_dir=place_database(tmp_path / "data")), clock)
    with closing(platform.database):
        platform.apply_experiment(spec)
        platform.change_state(KEY, Action.START)
        learn_from_bulk(platform.database, spec, clock)


def newest(run: Any) -> dict[str, Any]:
    entries = json.loads(run("deployments", KEY, "--format", "json").out)
    assert [each["number"] for each in entries] == list(range(len(entries), 0, -1))
    return dict(entries[0])


@pytest.mark.usefixtures("learned")
def test_a_candidate_is_ramped_held_promoted_and_rolled_back(run: Any) -> None:
    assert newest(run)["champion"] == "policy"

    ramped = run("ramp", KEY, "greedier", 0.2)
    assert ramped.status == 0
    assert "champion policy, challenger greedier with share 0.2" in ramped.out
    assert "evidence: uplift over the champion before it" in ramped.out
    assert " interactions" in ramped.out

    assert "held" in run("hold", KEY).out
    assert newest(run)["held"]
    again = run("hold", KEY)
    assert (again.status, again.out) == (2, "")
    assert again.err == "the deployment is held already\n"

    promoted = json.loads(run("promote", KEY, "greedier", "--format", "json").out)
    assert (promoted["champion"], promoted["challenger"], promoted["held"]) == (
        "greedier",
        None,
        False,
    )
    assert promoted["why"]["policy"]["interactions"] == 3000
    assert promoted["by"]["kind"] == "command-line"

    back = json.loads(run("roll-back", KEY, "--format", "json").out)
    assert back["champion"] == "policy"
    assert back["champion_version"] is not None
    assert back["why"]["rolled_back_to"] == 3  # the last one with the champion before

    assert json.loads(run("release", KEY, "--format", "json").out)["champion_version"] is None
    pinned = run("pin", KEY)
    assert "pinned to version" in pinned.out
    lines = run("deployments", KEY).out.splitlines()
    assert [line.split()[2] for line in lines] == [
        "pin", "release", "roll_back", "promote", "hold", "ramp", "applied"
    ]  # fmt: skip


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("promote", KEY, "nobody"), "there is no policy 'nobody'; policies: greedier, policy"),
        (("promote", KEY, "policy"), "policy is the champion already"),
        (("ramp", KEY, "greedier", 1.0), "a share must be above 0 and below 1"),
        (("ramp", KEY, "greedier", "nan"), "a share must be above 0 and below 1"),
        (("roll-back", KEY), "there is no ramp and no earlier champion to roll back to"),
        (("release", KEY), "no version is pinned and nothing is held"),
        (("pin", KEY, "--version", 99), "there is no model version 99"),
        (("promote", KEY, "greedier", "--based-on", 7), "number 1 is in force, not 7"),
        (("ramp", KEY, "greedier", 0.2, "--based-on", 7), "number 1 is in force, not 7"),
        (("hold", KEY, "--based-on", 7), "number 1 is in force, not 7"),
        (("pin", KEY, "--based-on", 7), "number 1 is in force, not 7"),
        (("release", KEY, "--based-on", 7), "number 1 is in force, not 7"),
        (("roll-back", KEY, "--based-on", 7), "number 1 is in force, not 7"),
        (("deployments", "nothing-here"), "there is no experiment with this key"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    run: Any, arguments: tuple[object, ...], what: str
) -> None:
    refused = run(*arguments)
    assert (refused.status, refused.out) == (2, "")
    assert what in refused.err
    assert newest(run)["number"] == 1


def test_a_policy_that_has_learned_nothing_cannot_serve(
    run: Any, tmp_path: Path, spec: Any
) -> None:
    platform = build(Settings(data_dir=place_database(tmp_path / "data")))
    with closing(platform.database):
        platform.apply_experiment(spec)
    refused = run("promote", KEY, "greedier")
    assert refused.status == 2
    assert "has not learned from any interaction yet" in refused.err
