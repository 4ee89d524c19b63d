"""Whole platforms for tests in a browser: empty, in ordinary use, or crowded with given texts.

Days of decisions pass in a moment, because the clock is a test's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from bandit_platform.bootstrap import Platform, build, build_serving, build_worker
from bandit_platform.domain.access import Role
from bandit_platform.domain.actor import Actor
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.question import Question
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.serving.decide import Query
from bandit_platform.services.serving.record_events import EventReport
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app
from bandit_platform.web.limits import Limits
from tests.browser.shop import listening

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

    def spec(self, number: int) -> ExperimentSpec:
        """The declaration of one experiment; the first has everything."""
        text = itertools.cycle(self.texts[number:] + self.texts[:number])
        arms = [_arm(place, text) for place in range(self.arms if number == 0 else 2)]
        return ExperimentSpec.model_validate(
            {
                "key": MAIN if number == 0 else f"offers-{number}-" + "long-name-" * (number % 5),
                "placement": "thank-you",
                "owner": next(text)[:256],
                "hypothesis": " ".join(itertools.islice(text, 12))[:4096],
                "context": {
                    "order_value": {"type": "number", "min": 0},
                    "country": {"type": "category", "allow_personal": True},
                    "returning": {"type": "boolean"},
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
        )


def _arm(place: int, text: Iterator[str]) -> dict[str, Any]:
    return {
        "key": f"offer-{place}",
        "features": {"price": 5.0 + place, "kind": next(text)[:256]},
        "offer": {name: next(text) for name in ("title", "text", "url", "image", "more")},
        "when": {"order_value": {"gte": 20}} if place == 1 else {},
    }


ORDINARY = Furniture(
    experiments=2, arms=3, decisions=240, texts=("GB", "France", "Parking at the venue", "growth")
)


@contextmanager
def house(folder: Path, furniture: Furniture | None, **more: Any) -> Iterator[House]:
    """A platform that listens; without furniture it is as on the first day.

    Args:
        folder: where its data are.
        furniture: what there is.
        more: further settings.
    """
    settings = Settings(data_dir=folder, refresh_seconds=3600, **more)
    clock = Clock()
    platform = build(settings, clock)
    app = create_console_app(platform, settings, Limits(stranger_rate=0))
    with closing(platform.database), listening(app) as url:
        made = House(platform=platform, settings=settings, app=app, url=url, clock=clock)
        if furniture is not None:
            _furnish(made, furniture)
        yield made
    structlog.reset_defaults()


def _furnish(made: House, furniture: Furniture) -> None:
    platform = made.platform
    for number in range(furniture.experiments):
        spec = furniture.spec(number)
        platform.apply_experiment(spec, by=ASKING)
        if number % 3 != 1:
            platform.change_state(spec.key, Action.START, by=ASKING)
    made.decisions = _days(made, furniture)
    main = furniture.spec(0)
    platform.apply_experiment(_changed(main, furniture.texts[-1]), by=ASKING)
    for place, text in enumerate(furniture.texts):
        origins = () if place % 2 else ("https://shop.example",)
        role = Role.SERVER if place % 2 else None
        platform.keys.create(role=role, label=text, origins=origins, by=ASKING)
    platform.users.create("somebody.with.a.long.name@shop.example", Role.VIEWER)
    _ask(made, furniture)


def _changed(spec: ExperimentSpec, text: str) -> ExperimentSpec:
    """The same with another offer, as a team would change it."""
    first = spec.arms[0].model_copy(update={"offer": {"title": text}})
    return spec.model_copy(update={"arms": (first, *spec.arms[1:]), "owner": text[:256]})


def _days(made: House, furniture: Furniture) -> list[str]:
    clock, settings = made.clock, made.settings
    serving = build_serving(settings, clock)
    worker = build_worker(settings, clock)
    decided: list[str] = []
    for _day in range(2):
        for number in range(furniture.decisions // 2):
            clock.now += timedelta(seconds=20)
            decided.append(_visit(serving, number, furniture.texts))
        clock.now += timedelta(hours=2)
        while worker.round():
            clock.now += timedelta(seconds=2)
        clock.now += timedelta(hours=16)
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()
    return decided


def _visit(serving: Any, number: int, texts: Sequence[str]) -> str:
    text = texts[number % len(texts)]
    query = Query(
        unit_id=f"{text}-{number}",
        context={"order_value": 10.0 + number, "country": text[:256], "returning": number % 2 == 0},
        request_key=f"{text}-{serving.clock().isoformat()}"[:128],
        eligible_arms=None,
        excluded_arms=(),
        defer_activation=False,
    )
    decision = serving.decider.decide(MAIN, query).decision
    kinds = ("impression", "accept", "purchase", "complaint")[: number % 5]
    events = [
        EventReport(
            event_id=f"{kind}-{text}"[:128],
            decision_id=decision.decision_id,
            type=kind,
            amount=12.5 if kind == "purchase" else None,
            currency="GBP" if kind == "purchase" else None,
            occurred_at=None,
        )
        for kind in kinds
    ]
    serving.recorder.record(events, trusted=True)
    found: str = decision.decision_id
    return found


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
