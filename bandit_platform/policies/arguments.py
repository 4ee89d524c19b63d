"""Vowpal Wabbit arguments of the reward regression, and the hashes of models and policies."""

from __future__ import annotations

import json
from hashlib import sha256

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.policies.features import ENCODING_VERSION

#: 2^15 weights take 0.5 MB, 2^18 up to 4 MB. Choices among 20 arms with 9,000 different weights, of
#: which a quarter share a place, gain 0.607 instead of 0.610 (scripts/bench_bits.py).
_BITS = 15
#: fields of a policy that bound its probabilities; a change needs no new learning
_LIMITS = {"floor", "minimum_value"}
_INITIALS = {"context": "c", "arm": "a"}


def vowpal_arguments(exploration: Exploration, bits: int = _BITS) -> str:
    """The arguments with which a fresh regression starts; exploration is not Vowpal Wabbit's."""
    parts = [
        "--cb_adf --cb_type mtr",
        *(f"--interactions {_initials(each)}" for each in exploration.interactions),
        f"--bit_precision {bits} --random_seed 1 --quiet",
        f"--learning_rate {exploration.learning_rate:g}",
    ]
    return " ".join(parts)


def model_hash(exploration: Exploration) -> str:
    """The identity of a model: family, arguments and feature encoding.

    Another hash means learning from the first interaction.
    """
    return _hash("vowpal", vowpal_arguments(exploration), ENCODING_VERSION)


def policy_hash(exploration: Exploration) -> str:
    """The identity of a policy: its model, how it explores, its floor and its minimum value."""
    parameters = json.dumps(exploration.all_parameters(), sort_keys=True)
    limits = json.dumps(exploration.model_dump(mode="json", include=_LIMITS), sort_keys=True)
    return _hash(model_hash(exploration), exploration.exploration, parameters, limits)


def _hash(*parts: object) -> str:
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def _initials(interaction: str) -> str:
    return "".join(_INITIALS[part] for part in interaction.split("*"))
