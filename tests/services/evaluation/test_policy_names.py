"""What is said to somebody who mistyped a policy."""

from __future__ import annotations

import pytest

from bandit_platform.errors import InputError
from bandit_platform.services.evaluation.policy_names import LIVE_KINDS, LOG_KINDS, require_known


def test_names_that_mean_something_pass() -> None:
    require_known(
        ["logging", "uniform", "always:vip", "column:old", "learn:squarecb", "model:new.vw"],
        LOG_KINDS,
    )
    require_known(["serving", "version:7", "always:vip"], LIVE_KINDS, {"serving", "version:7"})


@pytest.mark.parametrize("policy", ["servng", "always:", "version:3", "serving", "model:"])
def test_a_log_offers_everything_that_can_be_asked_of_it(policy: str) -> None:
    with pytest.raises(InputError) as told:
        require_known(["uniform", policy], LOG_KINDS)
    assert f"{told.value}" == (
        f"unknown policy {policy!r}: give one of logging, uniform, always:<arm>, "
        "column:<policy>, learn:<exploration>, model:<file>"
    )


def test_models_in_files_are_for_logs() -> None:
    with pytest.raises(InputError, match=r"give one of serving, .*version:<number>"):
        require_known(["model:new.vw"], LIVE_KINDS)
