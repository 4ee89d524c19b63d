"""Compare reports that were computed in different ways."""

from __future__ import annotations

from typing import Any

import pytest


def close(first: Any, second: Any, path: str = "") -> None:
    """Equal to 1e-9, whatever the nesting."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            close(first[key], second[key], f"{path}.{key}")
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for at, (one, other) in enumerate(zip(first, second, strict=True)):
            close(one, other, f"{path}[{at}]")
    elif isinstance(first, float):
        assert first == pytest.approx(second, rel=1e-9, abs=1e-9), path
    else:
        assert first == second, path
