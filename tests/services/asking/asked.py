"""A question and who asks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.question import Question
from bandit_platform.services.evaluation.evaluate_live import evaluate_live

KEY = "checkout-offers"
ANA = Actor(kind="user", name="ana")
BEN = Actor(kind="user", name="ben")
ESTIMATORS = ("ips", "snips")


def asked(*policies: str, **more: Any) -> Question:
    """A question with small answers."""
    return Question(
        **{
            "experiment": KEY,
            "policies": policies or ("uniform", "always:insurance"),
            "estimators": ESTIMATORS,
            **more,
        }
    )


def answer_with(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any]) -> bool:
    """Let something happen while the next question is worked on."""

    def evaluate(*arguments: Any, progress: Any, **options: Any) -> Any:
        meanwhile()
        return evaluate_live(*arguments, progress=progress, **options)

    monkeypatch.setattr("bandit_platform.services.evaluation.evaluate_live.evaluate_live", evaluate)
    return True
