"""Columns of draws among a request's arms: by positions in the stored list, not by keys.

A hundred keys and probabilities would take 4 KB as JSON. Eligible arms are ``*`` for all of the
list, or bits in hexadecimal, the first arm lowest; ``nothing`` is always eligible and comes first.
Probabilities are doubles as base64, exact. Exclusions are a list of exclusions, each with the bits
of its arms. JSON of the ordinary columns begins with ``[`` or ``{``, so the first character shows
which form a value has.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping

from bandit_platform.domain.exclusion import Exclusion, from_data, to_data
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.request_arms import ArmList

_ALL = "*"
_BITS = "x"
_NUMBERS = "="


def write_eligible(eligible: tuple[str, ...], arms: ArmList) -> str | None:
    """The eligible arms as text; None where they are not those of the list in its order."""
    if eligible == arms.keys:
        return _ALL
    if eligible[:1] != (NOTHING,):
        return None
    text = _BITS + _bits(eligible[1:], arms)
    try:
        return text if read_eligible(text, arms) == eligible else None
    except ValueError:
        return None


def read_eligible(text: str, arms: ArmList) -> tuple[str, ...]:
    """The arms that :func:`write_eligible` wrote.

    Raises:
        ValueError: the text is damaged.
    """
    if text == _ALL:
        return arms.keys
    if not text.startswith(_BITS):
        raise ValueError("eligible arms are damaged")
    return (NOTHING, *_of_bits(text[1:], arms))


def write_pmf(pmf: tuple[float, ...]) -> str:
    """Probabilities as text."""
    return _NUMBERS + b64encode(struct.pack(f"<{len(pmf)}d", *pmf)).decode()


def read_pmf(text: str) -> tuple[float, ...]:
    """The probabilities that :func:`write_pmf` wrote.

    Raises:
        ValueError: the text is damaged.
    """
    data = b64decode(text[1:], validate=True)
    if not text.startswith(_NUMBERS) or len(data) % 8:
        raise ValueError("a distribution is damaged")
    return struct.unpack(f"<{len(data) // 8}d", data)


def write_exclusions(excluded: Mapping[str, Exclusion], arms: ArmList) -> str:
    """Exclusions of the list's arms as text."""
    alike: dict[Exclusion, list[str]] = {}
    for arm, why in excluded.items():
        alike.setdefault(why, []).append(arm)
    return json.dumps(
        [[to_data(why), _bits(keys, arms)] for why, keys in alike.items()], separators=(",", ":")
    )


def read_exclusions(text: str, arms: ArmList) -> dict[str, Exclusion]:
    """The exclusions that :func:`write_exclusions` wrote.

    Raises:
        ValueError, TypeError, KeyError: the text is damaged.
    """
    found = {
        arm: why
        for data, bits in json.loads(text)
        for why in [from_data(data)]
        for arm in _of_bits(bits, arms)
    }
    return {arm: found[arm] for arm in arms.keys if arm in found}


def _bits(keys: Iterable[str], arms: ArmList) -> str:
    chosen = set(keys)
    found = sum(1 << place for place, arm in enumerate(arms.arms) if arm.key in chosen)
    return f"{found:x}"


def _of_bits(text: str, arms: ArmList) -> list[str]:
    bits = int(text, 16)
    if bits >> len(arms.arms):
        raise ValueError("an arm is not in the list")
    return [arm.key for place, arm in enumerate(arms.arms) if bits >> place & 1]
