"""Whole platforms for tests in a browser: empty, in ordinary use, or crowded with given texts.

Days of decisions pass in a moment, because the clock is a test's.
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from bandit_platform.bootstrap import Platform, build, build_serving, build_worker
from bandit_platform.domain.access import Role
from bandit_platform.domain.actor import Actor
from bandit_platform.domain.question import Question
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app, create_decision_app
from bandit_platform.web.limits import Limits
from tests.browser.shop import listening
from tests.support.databases import place_database

#: the experiment that has everything
MAIN = "confirmation-page"
ASKING = Actor(kind="user", name="analyst")


@dataclass(kw_only=True)
class House:
    """A platform with its console's address."""

    platform: Platform
    settings: Settings
    app: Any
    url: str
    clock: Clock
    #: ids, oldest first
    decisions: list[str] = field(default_factory=list)


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, kw_only=True)
class Furniture:
    """How much there is, and which words it uses."""

    experiments: int
    arms: int
    decisions: int
    #: texts where people or shops write freely, in turn
    texts: Sequence[str]

    def spec(self, number: int) -> dict[str, Any]:
        """The declaration of one experiment; the first has everything."""
        text = itertools.cycle([*self.texts[number:], *self.texts[:number]])
        arms = [_arm(place, text) for place in range(self.arms if number == 0 else 2)]
        return {
            "key": MAIN if number == 0 else f"offers-{number}-" + "long-name-" * (number % 5),
            "placement": "thank-you",
            "owner": next(text)[:256],
            "hypothesis": " ".join(itertools.islice(text, 12))[:4096],
            "context": {
                "order_value": {"type": "number", "min": 0},
                "country": {"type": "category", "allow_personal": True},
                "returning": {"type": "boolean"},
                "mood": {"type": "category", "values": [each[:256] for each in self.texts]},
            },
            "arms": arms,
            "reward": {
                "window": "1h",
                "range": [-1.0, 1.0],
                "accept": 0.5,
                "purchase": {"amount": 0.01},
                "complaint": -1.0,
            },
            "policy": {"floor": 0.1, "publish_every": "1s"},
            "candidates": [{"name": "greedier", "exploration": "epsilon_greedy"}],
            "holdout": {"share": 0.1},
        }


def _arm(place: int, text: Iterator[str]) -> dict[str, Any]:
    return {
        "key": f"offer-{place}",
        "features": {"price": 5.0 + place, "kind": next(text)[:256]},
        "offer": {
            **{name: next(text) for name in ("title", "text", "url", "image", "currency")},
            next(text): {next(text): [next(text)]},
        },
        "when": {"order_value": {"gte": 20}, "mood": {"ne": next(text)[:256]}}
        if place == 1
        else {},
    }


ORDINARY = Furniture(
    experiments=2, arms=3, decisions=240, texts=("GB", "France", "Parking at the venue", "growth")
)


@contextmanager
def house(folder: Path, furniture: Furniture | None, **more: Any) -> Iterator[House]:
    """A platform that listens; without furniture it is as on the first day.

    Platforms with the same furniture are copies of one that is furnished once in a process.

    Args:
        folder: where its data are.
        furniture: what there is.
        more: further settings.
    """
    if furniture is None:
        with _house(place_database(folder), **more) as empty:
            yield empty
        return
    original = _furnished(furniture)
    shutil.copytree(original.folder, folder, dirs_exist_ok=True)
    with _house(folder, **more) as made:
        made.decisions = [*original.decisions]
        made.clock.now = original.now
        yield made


@contextmanager
def _house(folder: Path, **more: Any) -> Iterator[House]:
    settings = Settings(data_dir=folder, refresh_seconds=3600, **more)
    clock = Clock()
    platform = build(settings, clock)
    app = create_console_app(platform, settings, Limits(stranger_rate=0))
    with closing(platform.database), listening(app) as url:
        yield House(platform=platform, settings=settings, app=app, url=url, clock=clock)
    structlog.reset_defaults()


@dataclass(frozen=True, kw_only=True)
class _Original:
    """A furnished platform to copy; its folder goes with the process."""

    folder: Path
    decisions: tuple[str, ...]
    now: datetime


@cache
def _furnished(furniture: Furniture) -> _Original:
    folder = Path(tempfile.mkdtemp(prefix="bandit-platform-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with _house(place_database(folder)) as made:
        _furnish(made, furniture)
        made.platform.database.shrink()
        return _Original(folder=folder, decisions=tuple(made.decisions), now=made.clock.now)


class Programs:
    """A team's and a shop's programs, which use the JSON API of both ports."""

    def __init__(self, made: House) -> None:
        issue = made.platform.keys.create
        self._team = made.app.test_client()
        self._team_key = issue(role=Role.EXPERIMENTER, label="programs", by=ASKING).text
        self._shop_key = issue(role=Role.SERVER, label="the shop", by=ASKING).text
        self.serving = build_serving(made.settings, made.clock)
        self._shop = create_decision_app(self.serving, Limits(key_rate=0)).test_client()

    def team(self, path: str, body: Any = None) -> Any:
        """Ask the console's port to do something."""
        headers = {"Authorization": f"Bearer {self._team_key}"}
        return self._team.post(f"/v1/experiments{path}", json=body, headers=headers)

    def shop(self, path: str, body: Any) -> Any:
        """Ask the shop's port."""
        headers = {"Authorization": f"Bearer {self._shop_key}"}
        return self._shop.post(f"/v1/{path}", json=body, headers=headers)

    def close(self) -> None:
        """Let the service go."""
        self.serving.registry.close()
        self.serving.upkeep.close()
        self.serving.journal.close()


def _furnish(made: House, furniture: Furniture) -> None:
    platform = made.platform
    programs = Programs(made)
    for number in range(furniture.experiments):
        spec = furniture.spec(number)
        _made(programs.team("", spec))
        if number % 3 != 1:
            _made(programs.team(f"/{spec['key']}/start"))
    programs.serving.registry.refresh()
    made.decisions = _days(made, programs, furniture)
    programs.close()
    _made(programs.team("", _changed(furniture.spec(0), furniture.texts[-1])))
    for place, text in enumerate(furniture.texts):
        origins = () if place % 2 else ("https://shop.example",)
        role = Role.SERVER if place % 2 else None
        platform.keys.create(role=role, label=text, origins=origins, by=ASKING)
    platform.users.create("somebody.with.a.long.name@shop.example", Role.VIEWER)
    _ask(made, furniture)


def _made(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json


def _changed(spec: dict[str, Any], text: str) -> dict[str, Any]:
    """The same with another offer, as a team would change it."""
    spec["arms"][0]["offer"] = {"title": text}
    return {**spec, "owner": text[:256]}


def _days(made: House, programs: Programs, furniture: Furniture) -> list[str]:
    clock = made.clock
    worker = build_worker(made.settings, clock)
    decided: list[str] = []
    for _day in range(2):
        for number in range(furniture.decisions // 2):
            clock.now += timedelta(seconds=20)
            decided.append(_visit(programs, number, furniture, clock))
        clock.now += timedelta(hours=2)
        while worker.round():
            clock.now += timedelta(seconds=2)
        clock.now += timedelta(hours=16)
    return decided


def _visit(programs: Programs, number: int, furniture: Furniture, clock: Clock) -> str:
    text = furniture.texts[number % len(furniture.texts)]
    question = {
        "unit_id": f"{text}-{number}"[:256],
        "context": {
            "order_value": 10.0 + number,
            "country": text[:256],
            "returning": number % 2 == 0,
            "mood": text[:256],
        },
        "request_key": f"{text}-{clock().isoformat()}"[-256:],
    }
    decision: str = _made(programs.shop(f"experiments/{MAIN}/decisions", question))["decision_id"]
    kinds = ["impression", "accept", "purchase", "complaint"][: number % 5]
    _report(programs, decision, kinds, text)
    return decision


def _report(programs: Programs, decision: str, kinds: list[str], text: str) -> None:
    """Tell what happened, with the text in the events' ids unless it looks like an address."""
    for name in (text, "plain"):
        events = [
            {
                "event_id": f"{kind}-{name}"[:256],
                "decision_id": decision,
                "type": kind,
                **({"amount": 12.5, "currency": "GBP"} if kind == "purchase" else {}),
            }
            for kind in kinds
        ]
        if not events:
            return
        answer = programs.shop("events", {"events": events})
        assert answer.status_code in {202, 422}, answer.text  # 422: every one was rejected
        receipts = answer.json["events"]
        if all(each["status"] == "accepted" for each in receipts):
            return
        assert all("looks like" in each["why"] for each in receipts), receipts
    raise AssertionError(receipts)


def _ask(made: House, furniture: Furniture) -> None:
    ask = made.platform.questions.ask
    whole = Question(experiment=MAIN, policies=("serving", "uniform"), by=("country",))
    ask(whole, ASKING)
    answerer = Answerer(made.platform.database, made.clock, "of this test")
    while answerer.answer_next():
        pass
    for text in furniture.texts[:3]:
        narrow = Question(experiment=MAIN, policies=("serving",), where=(f"country={text}"[:256],))
        ask(narrow, ASKING)
    answerer.answer_next()
