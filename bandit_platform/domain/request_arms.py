"""Arms that come with a request: their limits, and lists of them identified by their content.

A list is identified by a hash of its arms' keys and features in their order. Offers are not part
of it: they are returned to the shop and not stored.
"""

from __future__ import annotations

import json
import marshal
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from operator import attrgetter
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
_key_of = attrgetter("key")
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
_ARM: TypeAdapter[RequestArm] = TypeAdapter(RequestArm)
REQUEST_ARMS: TypeAdapter[list[RequestArm]] = TypeAdapter(RequestArms)


@dataclass(eq=False, slots=True)
class KnownArm:
    """An arm's key and features, and the digest that both lead to.

    Attributes:
        key: of the arm.
        features: sorted by name; numbers as floats.
        content: both as JSON, the same for equal ones.
        digest: hash of the content.
        line: the model's text of it, once a model needed it.
    """

    key: str
    features: Mapping[str, FeatureValue]
    content: bytes
    digest: bytes
    line: str | None = None

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
    """The arms that a decision chose from, in order and without ``nothing``."""

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
    """A feature in a form that is the same for equal values: 1 as 1.0, and -0.0 as 0.0."""
    if isinstance(value, (bool, str)):
        return value
    return float(value) + 0.0


@dataclass(frozen=True, eq=False, slots=True)
class SentArms:
    """The arms of one request, each sound and none twice.

    Attributes:
        arms: with the features that the request has.
        offers: key → offer, where the request has one.
    """

    arms: tuple[KnownArm, ...]
    offers: Mapping[str, Mapping[str, Any]]

    @property
    def fingerprint(self) -> str:
        """A hash that requests share which have the same keys and features, in whatever order."""
        digests = sorted([arm.digest for arm in self.arms])
        return blake2b(b"".join(digests), digest_size=_DIGEST_BYTES).hexdigest()


_NAME, _OPENING = b'"arms"', b'{"key"'
_LIST = re.compile(rb'"arms"\s*:\s*\[\s*')
#: bytes of an arm's text that is remembered
_LONGEST_TEXT = 1024


class ArmsReader:
    """Reads the arms of requests.

    Most arms come again and again with the same features. What was read once is found by its bytes
    (``marshal`` writes equal values of different types differently), without checking it anew.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, KnownArm] = {}
        #: text of an arm after its opening, up to the next arm → the arm, and its offer
        self._texts: dict[bytes, KnownArm] = {}
        self._offers: dict[bytes, Mapping[str, Any]] = {}

    def take(self, body: bytes) -> tuple[bytes, SentArms] | None:
        """A request's body with an empty list in place of its arms, and the arms.

        Arms whose text came before need no parsing. Text is cut before each ``{"key"``, which no
        JSON string can hold, and a piece counts only if it was once parsed as one whole arm with
        the comma after it: so the list is made of these arms and nothing else. Whether the list is
        the request's own is for the caller to see, by the empty one in its place.

        Args:
            body: JSON, maybe.

        Returns:
            Both; None where the body is not spelled like this, and has to be parsed.

        Raises:
            InputError: a key comes twice or is reserved, or an offer is too long.
        """
        found = _LIST.search(body)
        if found is None or body.count(_NAME) != 1:
            return None
        first, *pieces = body[found.end() :].split(_OPENING)
        if first or not 0 < len(pieces) <= MAX_REQUEST_ARMS:
            return None
        last, closing, rest = pieces[-1].partition(b"}]")
        outside = body[: found.end()] + closing[1:] + rest
        if not closing or b"\\" in outside:  # an escape could spell the name another way
            return None
        pieces[-1] = last + b"},"
        get, kept = self._texts.get, self._offers  # as they are, should others make room meanwhile
        arms = [get(piece) for piece in pieces]
        offers: dict[str, Mapping[str, Any]] = {}
        if None in arms or b'"offer"' in body:
            for place, piece in enumerate(pieces):
                arm = arms[place] = arms[place] or self._read_text(piece, place)
                if arm is None:
                    return None
                offer = kept.get(piece)
                if offer is None:
                    offer = self._offers.get(piece)
                if offer is not None:
                    offers[arm.key] = offer
        return outside, _sent(tuple([arm for arm in arms if arm is not None]), offers)

    def _read_text(self, piece: bytes, place: int) -> KnownArm | None:
        """The arm of a piece of text, remembered; None where it is not one sound arm."""
        try:
            sent, _ = from_json(b"[" + _OPENING + piece + b"0]", allow_inf_nan=False)
            offers: dict[str, Mapping[str, Any]] = {}
            arm = self._read_first(_without_offer(sent, place, offers))
        except ValueError:  # the whole body is parsed to say what is wrong, and where
            return None
        if len(piece) > _LONGEST_TEXT:
            return None
        if len(self._texts) >= _MOST_KNOWN:
            self._texts, self._offers = {}, {}
        for text in {piece, piece.rstrip()}:  # before another arm, and as the last one
            self._texts[text] = arm
            if offers:
                self._offers[text] = offers[arm.key]
        return arm

    def read(self, sent: Any) -> SentArms:
        """The arms that a request has.

        Args:
            sent: JSON data.

        Raises:
            pydantic.ValidationError: they have not the documented form.
            InputError: a key comes twice or is reserved, or an offer is too long.
        """
        if not isinstance(sent, list) or len(sent) > MAX_REQUEST_ARMS:
            REQUEST_ARMS.validate_python(sent)
        get, dumps = self._known.get, marshal.dumps
        offers: dict[str, Mapping[str, Any]] = {}
        found = [get(dumps(each, 2)) for each in sent]
        if None in found:
            found = [
                arm or self._read_first(_without_offer(sent[place], place, offers))
                for place, arm in enumerate(found)
            ]
        return _sent(tuple([arm for arm in found if arm is not None]), offers)

    def _read_first(self, sent: Any) -> KnownArm:
        """An arm without its offer, which is checked and remembered if it is new."""
        known = self._known.get(marshal.dumps(sent, 2))
        if known is not None:
            return known
        read = _ARM.validate_python(sent)
        if read["key"] == NOTHING:
            raise InputError("arms: nothing is always an arm and must not be sent")
        arm = KnownArm.of(read["key"], read.get("features") or {})
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[marshal.dumps(sent, 2)] = arm
        return arm


class ArmsMerger:
    """Joins the arms of requests with those of an experiment's file.

    Args:
        own: key → features of each arm of the file, in the file's order.
    """

    def __init__(self, own: Mapping[str, Mapping[str, FeatureValue]]) -> None:
        self._own = {key: KnownArm.of(key, features) for key, features in own.items()}
        #: digest of an arm → the same with the features of the file's arm
        self._merged: dict[bytes, KnownArm] = {}

    def merged(self, sent: SentArms) -> ArmList:
        """The arms of the file, then those that only the request has, with merged features."""
        if not self._own:
            return ArmList(sent.arms)
        own = self._own.copy()
        more = []
        for arm in sent.arms:
            if arm.key in own:
                own[arm.key] = self._with_own(arm)
            else:
                more.append(arm)
        return ArmList((*own.values(), *more))

    def _with_own(self, arm: KnownArm) -> KnownArm:
        found = self._merged.get(arm.digest)
        if found is None:
            if len(self._merged) >= _MOST_KNOWN:
                self._merged.clear()
            features = {**self._own[arm.key].features, **arm.features}
            found = self._merged[arm.digest] = KnownArm.of(arm.key, features)
        return found


def most_frequent(counts: Mapping[str, float]) -> set[str]:
    """The names that reports show: the most frequent ones."""
    if len(counts) <= MOST_REPORTED:
        return set(counts)
    return set(sorted(counts, key=lambda name: (-counts[name], name))[:MOST_REPORTED])


def _sent(arms: tuple[KnownArm, ...], offers: Mapping[str, Mapping[str, Any]]) -> SentArms:
    if len(set(map(_key_of, arms))) != len(arms):
        raise InputError("arms: a key is used twice")
    return SentArms(arms, offers)


def _without_offer(sent: Any, place: int, offers: dict[str, Mapping[str, Any]]) -> Any:
    """An arm without its offer, which goes to the others."""
    if not isinstance(sent, dict) or "offer" not in sent:
        return sent
    _demand_offer(sent["offer"], place)
    offers[str(sent.get("key"))] = sent["offer"]
    return {name: value for name, value in sent.items() if name != "offer"}


def _demand_offer(offer: Any, place: int) -> None:
    """Refuse an offer that the file could not have either."""
    if not isinstance(offer, dict):
        REQUEST_ARMS.validate_python([{"key": "any", "offer": offer}])
    try:
        size = len(json.dumps(offer, allow_nan=False))
    except ValueError:
        raise InputError(f"arms[{place}].offer must hold finite numbers only") from None
    if size > MAX_OFFER_BYTES:
        raise InputError(f"arms[{place}].offer must be at most {MAX_OFFER_BYTES} bytes as JSON")
