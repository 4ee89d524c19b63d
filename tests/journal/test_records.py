from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bandit_platform.domain.decision import Decision, Draw, Reason
from bandit_platform.domain.event import Event
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.domain.request_event import RequestEvent
from bandit_platform.journal.records import (
    Activation,
    RequestConflict,
    activation_line,
    conflict_line,
    decision_line,
    event_line,
    parse_line,
    request_event_line,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=40)
zones = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
)
moments = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)).flatmap(  # noqa: DTZ001 - the zone follows
    lambda moment: zones.map(lambda zone: moment.replace(tzinfo=zone))
)
values = st.one_of(finite, texts, st.booleans())
exclusions = st.builds(
    Exclusion,
    code=st.sampled_from(ExclusionCode),
    field=st.none() | texts,
    operator=st.none() | texts,
    limit=st.none() | values | st.lists(values, max_size=3).map(tuple),
    moment=st.none() | moments,
)
draws = st.builds(
    Draw,
    arm=texts,
    propensity=finite,
    eligible=st.lists(texts, max_size=4).map(tuple),
    pmf=st.lists(finite, max_size=4).map(tuple),
    seed=texts,
    exclusions=st.none() | st.dictionaries(texts, exclusions, min_size=1, max_size=3),
    arms_hash=st.none() | texts,
)
decisions = st.builds(
    Decision,
    decision_id=texts,
    experiment=texts,
    revision=st.integers(1, 10**6),
    unit=texts,
    decided_at=moments,
    expires_at=moments,
    reason=st.sampled_from(Reason),
    context=st.dictionaries(texts, values, max_size=4),
    draws=st.lists(draws, min_size=1, max_size=3).map(tuple),
    deployment=st.none() | st.integers(1, 10**6),
    model_versions=st.lists(st.integers(1, 10**6), max_size=2).map(tuple),
    deferred=st.booleans(),
    request_key=st.none() | texts,
    body_hash=st.none() | texts,
    key_id=st.none() | texts,
    trusted=st.booleans(),
    address=st.none() | texts,
    over_limit=st.booleans(),
    session_id=st.none() | texts,
    baseline_arms=st.lists(texts, max_size=2).map(tuple),
    parent=st.none() | texts,
    step=st.none() | texts,
    page_id=st.none() | texts,
    exposures=st.none() | st.dictionaries(texts, finite, min_size=1, max_size=2),
    cap_counts=st.none() | st.dictionaries(texts, st.integers(0, 9), min_size=1, max_size=2),
    pacing=st.none() | st.dictionaries(texts, finite, min_size=1, max_size=2),
    test=st.booleans(),
    dropped_fields=st.integers(0, 9),
)
events = st.builds(
    Event,
    decision_id=texts,
    event_id=texts,
    type=texts,
    amount=st.none() | finite,
    currency=st.none() | texts,
    occurred_at=moments,
    received_at=moments,
    trusted=st.booleans(),
)


request_events = st.builds(
    RequestEvent,
    experiment=texts,
    request=texts,
    unit=st.none() | texts,
    event_id=texts,
    type=texts,
    amount=st.none() | finite,
    currency=st.none() | texts,
    occurred_at=moments,
    received_at=moments,
    trusted=st.booleans(),
)


def is_record(line: bytes) -> bool:
    try:
        parse_line(line)
    except ValueError:
        return False
    return True


def exact(record: object) -> list[str]:
    """Every field with its type and all its digits, moments apart."""
    found = [repr(getattr(record, field.name)) for field in fields(record)]  # type: ignore[arg-type]
    return [re.sub(r"datetime\(.*?tzinfo=.*?\)+", "moment", item) for item in found]


@given(decisions)
def test_a_decision_comes_back_exactly_from_its_one_line(decision: Decision) -> None:
    line = decision_line(decision)
    assert line.splitlines(keepends=True) == [line]
    assert line.endswith(b"\n")
    back = parse_line(line)
    assert back == decision
    assert exact(back) == exact(decision)
    assert back.decided_at.utcoffset() == decision.decided_at.utcoffset()


@given(events)
def test_an_event_comes_back_exactly_from_its_one_line(event: Event) -> None:
    line = event_line(event)
    assert line.splitlines(keepends=True) == [line]
    back = parse_line(line)
    assert back == event
    assert repr(back.amount) == repr(event.amount)
    assert back.occurred_at.tzinfo is not None


@given(texts, moments)
@example("id", datetime(2026, 11, 22, 10, 0, 0, 1, tzinfo=UTC))
def test_an_activation_comes_back_exactly_from_its_one_line(name: str, moment: datetime) -> None:
    activation = Activation(decision_id=name, activated_at=moment)
    assert parse_line(activation_line(activation)) == activation


@given(request_events)
def test_an_event_of_a_request_key_comes_back_exactly_from_its_one_line(
    event: RequestEvent,
) -> None:
    line = request_event_line(event)
    assert line.count(b"\n") == 1
    assert parse_line(line) == event


@given(texts, st.booleans(), moments)
def test_a_conflict_comes_back_exactly_from_its_one_line(
    experiment: str, trusted: bool, moment: datetime
) -> None:
    conflict = RequestConflict(experiment=experiment, trusted=trusted, refused_at=moment)
    line = conflict_line(conflict)
    assert line.count(b"\n") == 1
    assert parse_line(line) == conflict


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"5\n",
        b'"decision"\n',
        b"[]\n",
        b"{}\n",
        b'{"k":"decision"}\n',
        b'{"k":"surprise"}\n',
        b'{"k":["decision"]}\n',
        b'{"k":"activation","id":"x","at":5}\n',
        b'{"k":"activation","id":"x","at":"yesterday"}\n',
        b"\xff\xfe\n",
        bytes(100) + b"\n",
    ],
)
def test_what_is_no_record_is_a_value_error(line: bytes) -> None:
    assert not is_record(line)


def test_a_record_with_any_field_missing_is_refused(
    make_decision: Callable[..., Decision], make_event: Callable[..., Event]
) -> None:
    decision = make_decision()
    required = [field.name for field in fields(Decision) if field.default is MISSING]
    data = json.loads(decision_line(decision))
    for name in required:
        assert not is_record(without(data, name)), name
    for field in fields(Draw):
        if field.default is MISSING:
            (draw,) = data["draws"]
            less = {key: value for key, value in draw.items() if key != field.name}
            assert not is_record(json.dumps({**data, "draws": [less]}).encode()), field.name
    event = json.loads(event_line(make_event(decision)))
    for name in event:
        assert not is_record(without(event, name)), name


def without(data: dict[str, object], name: str) -> bytes:
    assert name in data
    left = {key: value for key, value in data.items() if key != name}
    return json.dumps(left, separators=(",", ":")).encode()


def test_absent_fields_take_no_space(make_decision: Callable[..., Decision]) -> None:
    data = json.loads(decision_line(make_decision()))
    required = {field.name for field in fields(Decision) if field.default is MISSING}
    assert set(data) == {"k", "model_versions", *required}


def test_a_field_that_this_format_does_not_have_is_refused(
    make_decision: Callable[..., Decision],
) -> None:
    """A later version that adds one counts its format on, so readers stop before they drop it."""
    line = decision_line(make_decision())
    assert is_record(line)
    assert not is_record(line.rstrip(b"}\n") + b',"later":1}\n')


def test_a_number_that_is_none_never_reaches_the_journal(
    make_decision: Callable[..., Decision],
) -> None:
    with pytest.raises(ValueError, match="infinite or not a number"):
        decision_line(make_decision(propensity=math.nan))


@given(decision=decisions)
def test_a_decisions_line_is_what_pydantic_writes_of_it(decision: Decision) -> None:
    expected = TypeAdapter(Decision).dump_json(decision, exclude_defaults=True)
    assert json.loads(decision_line(decision)) == {"k": "decision", **json.loads(expected)}
