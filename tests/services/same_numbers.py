"""Compare reports that were computed in different ways."""

from __future__ import annotations

from typing import Any

import pytest


def close(first: Any, second: Any, path: str = "", *, within: float = 1e-9) -> None:
    """Equal but for so much, whatever the nesting."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            close(first[key], second[key], f"{path}.{key}", within=within)
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for at, (one, other) in enumerate(zip(first, second, strict=True)):
            close(one, other, f"{path}[{at}]", within=within)
    elif isinstance(first, float):
        assert first == pytest.approx(second, rel=within, abs=within), path
    else:
        assert first == second, path
