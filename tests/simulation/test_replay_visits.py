"""Rejection replay reports an outcome only where the service agrees with the log."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from bandit_platform.services.evaluation.logged_data import LoggedData, LoggedEvent
from bandit_platform.services.launching.spec_files import read_spec_file
from bandit_platform.simulation.experiment_files import shipped_experiment
from bandit_platform.simulation.log_values import log_values
from bandit_platform.simulation.replay_visits import replay_visits
from bandit_platform.simulation.truth import Outcome

EXPERIMENT: Path = shipped_experiment("hillstrom_email")


def log(arms: list[str], propensities: list[float], rewards: list[float]) -> LoggedData:
    visit = (LoggedEvent(type="visit", amount=None),)
    return LoggedData(
        spec=read_spec_file(EXPERIMENT),
        arms=tuple(arms),
        propensities=np.array(propensities),
        contexts=tuple({"recency": float(n)} for n in range(len(arms))),
        events=tuple(visit if reward else () for reward in rewards),
        rewards=np.array(rewards),
        units=tuple(f"row-{n}" for n in range(len(arms))),
        clipped=0,
    )


def test_only_a_match_is_activated_and_reported() -> None:
    visits = list(replay_visits(log(["mens", "nothing"], [1 / 3, 1 / 3], [1.0, 0.0])))
    first, second = visits
    assert first.reply("mens").activate
    assert list(first.reply("mens").events) == [Outcome(type="visit")]
    assert not first.reply("nothing").activate
    assert not first.reply("nothing").events
    assert second.reply("nothing").activate
    assert not second.reply("nothing").events
    assert first.request["defer_activation"] is True
    assert first.request["context"] == {"recency": 0.0}
    assert first.request["request_key"] != second.request["request_key"]


def test_uneven_propensities_are_thinned_so_that_a_match_is_as_likely_for_every_arm() -> None:
    random = Random(20)
    shares = {"mens": 0.6, "womens": 0.3, "nothing": 0.1}
    arms = random.choices(list(shares), weights=list(shares.values()), k=30_000)
    rows = log(arms, [shares[arm] for arm in arms], [0.0] * len(arms))
    matches = {arm: sum(v.reply(arm).activate for v in replay_visits(rows)) for arm in shares}
    for count in matches.values():
        assert count / 30_000 == pytest.approx(0.1, abs=0.01)


def test_whole_log_values_are_the_arms_own_means() -> None:
    rows = log(
        ["mens", "mens", "womens", "nothing", "nothing"], [1 / 3] * 5, [1.0, 0.0, 1.0, 0.0, 0.0]
    )
    assert log_values(rows) == pytest.approx(
        {"always:mens": 0.5, "always:womens": 1.0, "always:nothing": 0.0, "uniform": 0.5}
    )
