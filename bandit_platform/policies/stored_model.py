"""The bytes of a model version: a line of JSON that describes the model, then the model itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from bandit_platform.errors import PolicyError

FORMAT = "bandit-platform model 1"


@dataclass(frozen=True, kw_only=True)
class ModelHeader:
    """What scoring and exploring need beside the regression's own bytes."""

    #: decisions that the model has learned from
    examples: int
    #: exploration and its parameters, where the bytes are those of a policy and not of a model
    exploration: str | None = None
    parameters: dict[str, float] = field(default_factory=dict)


def pack(header: ModelHeader, model: bytes) -> bytes:
    """The bytes that are stored."""
    named = {name: value for name, value in asdict(header).items() if value}
    described = {"format": FORMAT, "examples": header.examples, **named}
    return json.dumps(described, sort_keys=True).encode() + b"\n" + model


def is_packed(blob: bytes) -> bool:
    """Whether bytes begin with a header; those of Vowpal Wabbit alone do not."""
    return blob.startswith(b"{")


def unpack(blob: bytes) -> tuple[ModelHeader, bytes]:
    """Header and model.

    Raises:
        PolicyError: the bytes are not a stored model, or one of a newer format.
    """
    line, found, model = blob.partition(b"\n")
    try:
        described: dict[str, Any] = json.loads(line)
        written = described.pop("format")
        if not found or written != FORMAT:
            raise PolicyError(f"the model's format is {written}, and this version reads {FORMAT}")
        header = ModelHeader(**described)
        if not isinstance(header.examples, int) or header.examples < 0:
            raise PolicyError("the model's header is damaged")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PolicyError("the stored model cannot be loaded: it has no header") from error
    return header, model
