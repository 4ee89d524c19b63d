"""An experiment that has learned, and what it published."""

from __future__ import annotations

from typing import Any

ALL_POLICIES = {
    "logging",
    "serving",
    "greedier",
    "uniform",
    "always-something",
    "always:nothing",
    "always:upgrade",
    "always:insurance",
}


def collected(world: Any, spec: Any, count: int = 150) -> None:
    """An experiment with mature interactions, some decided by a model."""
    world.launch(spec)
    world.traffic(count // 3)
    world.settle()
    world.learn()
    world.traffic(count - count // 3)
    world.settle()
    world.learn()


def versions(world: Any) -> list[Any]:
    found: list[Any] = world.rows(
        "SELECT version, interactions, model_hash, blob_hash, arguments FROM model_version "
        "WHERE experiment = 'checkout-offers' ORDER BY version"
    )
    return found
