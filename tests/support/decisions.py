"""Changing a decision's draw, for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bandit_platform.domain.decision import Decision


def redrawn(decision: Decision, **changed: Any) -> Decision:
    """The decision with other fields in the draw of its first slot."""
    first, *more = decision.draws
    return replace(decision, draws=(replace(first, **changed), *more))
