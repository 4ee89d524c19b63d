"""Arms that come with a request: what they may hold, and lists of them known by their content.

A list is known by a hash of its arms' keys and features in their order. Offers are no part of it:
they are handed back to the shop and kept nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, with_config
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.errors import InputError

MAX_REQUEST_ARMS = 100
MAX_FEATURES = 50
MAX_OFFER_BYTES = 8192
#: reports keep the most frequent arms apart, and put the others under this name
MOST_REPORTED = 200
OTHER = "other"
_DIGEST_BYTES = 16
#: arms that a process remembers with the features that came last
_MOST_KNOWN = 20_000

FeatureValue = float | str | bool
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Text = Annotated[str, Field(max_length=256)]
_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=64)]
_Features = Annotated[dict[_Name, bool | _Number | _Text], Field(max_length=MAX_FEATURES)]


@with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class RequestArm(TypedDict):
    """An arm that came with a request."""

    key: _Key
    #: what the model may know of it
    features: NotRequired[_Features]
    #: handed back if the arm is shown
    offer: NotRequired[dict[str, JsonValue]]


RequestArms = Annotated[list[RequestArm], Field(max_length=MAX_REQUEST_ARMS)]
REQUEST_ARMS: TypeAdapter[list[RequestArm]] = TypeAdapter(RequestArms)


@dataclass(frozen=True, eq=False, slots=True)
class KnownArm:
    """An arm's key and features, and the digest that both lead to.

    Attributes:
        key: of the arm.
        features: sorted by name; numbers as floats.
        content: both as JSON, the same for equal ones.
        digest: hash of the content.
    """

    key: str
    features: Mapping[str, FeatureValue]
    content: bytes
    digest: bytes

    @classmethod
    def of(cls, key: str, features: Mapping[str, Any]) -> KnownArm:
        """The arm of a key and features."""
        ordered = {name: _plain(features[name]) for name in sorted(features)}
        content = to_json([key, ordered])
        return cls(key, ordered, content, blake2b(content, digest_size=_DIGEST_BYTES).digest())

    @classmethod
    def from_content(cls, content: str | bytes) -> KnownArm:
        """The arm that :attr:`content` describes.

        Raises:
            ValueError: it describes none.
        """
        return _from_data(from_json(content, allow_inf_nan=False))


@dataclass(frozen=True, eq=False)
class ArmList:
    """The arms among which a decision chose, in order and without ``nothing``."""

    arms: tuple[KnownArm, ...]

    @cached_property
    def hash(self) -> str:
        """The hash by which the list is known."""
        whole = b"".join([arm.digest for arm in self.arms])
        return blake2b(whole, digest_size=_DIGEST_BYTES).hexdigest()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the arms, ``nothing`` first: the order of eligible arms."""
        return (NOTHING, *[arm.key for arm in self.arms])

    @cached_property
    def by_key(self) -> dict[str, KnownArm]:
        """The arms by key."""
        return {arm.key: arm for arm in self.arms}

    def to_json(self) -> bytes:
        """The list as JSON."""
        return b"[" + b",".join([arm.content for arm in self.arms]) + b"]"

    @classmethod
    def from_data(cls, data: Any) -> ArmList:
        """The list that the data of :meth:`to_json` describe.

        Raises:
            ValueError: they describe none.
        """
        if not isinstance(data, list):
            raise ValueError("a list of arms is no list")  # noqa: TRY004 - a damaged line
        return cls(tuple(map(_from_data, data)))


def _from_data(data: Any) -> KnownArm:
    match data:
        case [str(key), dict(features)]:
            return KnownArm.of(key, features)
    raise ValueError("an arm is not a key with features")


def _plain(value: Any) -> FeatureValue:
    """A feature so that equal ones are alike: 1 as 1.0, and -0.0 as 0.0."""
    if isinstance(value, (bool, str)):
        return value
    return float(value) + 0.0


class ArmsMerger:
    """Makes lists of what requests brought, with the arms of the file merged in by key.

    Most arms come again and again with the same features, so the arm that a key led to last is
    kept.

    Args:
        own: key → features of each arm of the file, in the file's order.
    """

    def __init__(self, own: Mapping[str, Mapping[str, FeatureValue]]) -> None:
        self._own = {key: KnownArm.of(key, features) for key, features in own.items()}
        self._known: dict[str, tuple[tuple[Any, ...], KnownArm, KnownArm]] = {}

    def merged(self, asked: Sequence[RequestArm]) -> ArmList:
        """The arms of the file, then those that only the request has, with merged features."""
        own = dict(self._own)
        more = []
        for arm in asked:
            found = self._known_arm(arm)
            if found[1].key in own:
                own[found[1].key] = found[1]
            else:
                more.append(found[1])
        return ArmList((*own.values(), *more))

    def fingerprint(self, asked: Iterable[RequestArm]) -> str:
        """A hash that lists share which have the same keys and features, in whatever order."""
        digests = sorted([self._known_arm(arm)[2].digest for arm in asked])
        return blake2b(b"".join(digests), digest_size=_DIGEST_BYTES).hexdigest()

    def _known_arm(self, arm: RequestArm) -> tuple[tuple[Any, ...], KnownArm, KnownArm]:
        """What was asked, the arm with the file's features merged in, and the arm without them."""
        key, features = arm["key"], arm.get("features") or {}
        # True, 1 and 1.0 are equal, but not alike
        asked = (*features.items(), *map(type, features.values()))
        found = self._known.get(key)
        if found is None or found[0] != asked:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            alone = KnownArm.of(key, features)
            own = self._own.get(key)
            merged = alone if own is None else KnownArm.of(key, {**own.features, **features})
            found = self._known[key] = asked, merged, alone
        return found


def most_frequent(counts: Mapping[str, float]) -> set[str]:
    """The names that reports show: the most frequent ones."""
    if len(counts) <= MOST_REPORTED:
        return set(counts)
    return set(sorted(counts, key=lambda name: (-counts[name], name))[:MOST_REPORTED])


def demand_sound(arms: Sequence[RequestArm]) -> None:
    """Refuse what each arm alone does not show.

    Raises:
        InputError: a key comes twice or is reserved, or an offer is too long.
    """
    keys = {arm["key"] for arm in arms}
    if len(keys) != len(arms):
        raise InputError("arms: a key is used twice")
    if NOTHING in keys:
        raise InputError("arms: nothing is always an arm and must not be sent")
    offers = [(place, arm["offer"]) for place, arm in enumerate(arms) if "offer" in arm]
    if not offers:
        return
    text = to_json([offer for _, offer in offers], inf_nan_mode="constants")
    suspicious = len(text) > MAX_OFFER_BYTES // 6 or b"NaN" in text or b"Infinity" in text
    for place, offer in offers if suspicious else ():
        try:
            size = len(json.dumps(offer, allow_nan=False))
        except ValueError:
            raise InputError(f"arms[{place}].offer must hold finite numbers only") from None
        if size > MAX_OFFER_BYTES:
            raise InputError(f"arms[{place}].offer must be at most {MAX_OFFER_BYTES} bytes as JSON")
