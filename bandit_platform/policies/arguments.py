"""Vowpal Wabbit arguments for the explorations that give sound probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.policies.features import ENCODING_VERSION

_EXPLORATION: Mapping[str, Callable[[Mapping[str, float]], str]] = {
    "squarecb": lambda p: (
        f"--squarecb --gamma_scale {p['gamma_scale']:g} --gamma_exponent {p['gamma_exponent']:g}"
    ),
    "epsilon_greedy": lambda p: f"--epsilon {p['epsilon']:g}",
    "softmax": lambda p: f"--softmax --lambda {p['lambda']:g}",
}

_INITIALS = {"context": "c", "arm": "a"}


def vowpal_arguments(exploration: Exploration) -> str:
    """The arguments with which a fresh model of this exploration starts."""
    parts = [
        "--cb_explore_adf",
        _EXPLORATION[exploration.exploration](exploration.all_parameters()),
        "--cb_type mtr",
        *(f"--interactions {_initials(each)}" for each in exploration.interactions),
        "--bit_precision 18 --random_seed 1 --quiet",
        f"--learning_rate {exploration.learning_rate:g}",
    ]
    return " ".join(parts)


def policy_hash(exploration: Exploration) -> str:
    """What identifies a learned model: another hash means learning from the start.

    The floor is no part of it: it is applied after the model.
    """
    text = f"{vowpal_arguments(exploration)} encoding {ENCODING_VERSION}"
    return sha256(text.encode()).hexdigest()[:32]


def _initials(interaction: str) -> str:
    return "".join(_INITIALS[part] for part in interaction.split("*"))
