"""The steps of an experiment's life, in the words of somebody who has to answer for them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from types import MappingProxyType

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import Action, State, possible_actions


@dataclass(frozen=True, kw_only=True)
class Step:
    """A button, and what it does.

    Attributes:
        action: as in addresses.
        button: what the button says.
        sees: what shoppers get afterwards.
        analysed: who is in the estimates afterwards.
        undo: how it is undone, or that it cannot be.
        final: it cannot be undone, so it asks first.
    """

    action: str
    button: str
    sees: str
    analysed: str
    undo: str
    final: bool


_STEPS = MappingProxyType(
    {
        Action.START: Step(
            action="start",
            button="Start",
            sees="Shoppers outside the holdout get an arm at each decision, nothing among them; "
            "the holdout gets nothing.",
            analysed="Every decision from now on, once its reward window has ended: policy traffic "
            "and holdout. Test decisions never.",
            undo="You can pause and stop the experiment. Placement, reward and holdout are locked "
            "after the start; server-only event types can be added but not removed.",
            final=True,
        ),
        Action.PAUSE: Step(
            action="pause",
            button="Pause",
            sees="Every shopper gets nothing until it is resumed.",
            analysed="Decisions made so far; their events still count. Answers given while paused "
            "are in no estimate.",
            undo="Resume goes on where it stood.",
            final=False,
        ),
        Action.RESUME: Step(
            action="resume",
            button="Resume",
            sees="Shoppers outside the holdout get arms again.",
            analysed="Decisions from now on, beside those made before the pause.",
            undo="It can be paused again.",
            final=False,
        ),
        Action.STOP: Step(
            action="stop",
            button="Stop for good",
            sees="Every shopper gets nothing, for good.",
            analysed="Decisions made so far; their events count until their reward window ends. "
            "Nothing is added afterwards.",
            undo="This cannot be undone: to go on, launch the definition under another key.",
            final=True,
        ),
        Action.ARCHIVE: Step(
            action="archive",
            button="Archive",
            sees="As before: nothing.",
            analysed="As before. The experiment leaves the list and is found by its filter; its "
            "data and this page stay.",
            undo="This cannot be undone.",
            final=True,
        ),
    }
)


def step(action: Action) -> Step:
    """One step in words."""
    return _STEPS[action]


def steps(state: State) -> tuple[Step, ...]:
    """The steps that a state allows."""
    return tuple(_STEPS[action] for action in possible_actions(state))


def example_commands(spec: ExperimentSpec, service_url: str) -> tuple[str, str]:
    """What a shop's server would send: a test decision, and an event for it."""
    headers = "-H \"Authorization: Bearer $SHOP_KEY\" -H 'Content-Type: application/json'"
    examples = {
        name: _EXAMPLES[field.type] for name, field in spec.context.items() if field.required
    }
    body = {"unit_id": "shopper-1", "context": examples}
    event = {
        "event_id": "test-1",
        "decision_id": "DECISION_ID",
        "type": spec.event_types[0],
    }

    def post(path: str, data: object) -> str:
        address = shlex.quote(f"{service_url}{path}")
        return f"curl {address} \\\n  {headers} \\\n  -d {shlex.quote(json.dumps(data))}"

    return (
        post(f"/v1/experiments/{spec.key}/decisions", body),
        post("/v1/events", {"events": [event]}),
    )


_EXAMPLES: MappingProxyType[str, object] = MappingProxyType(
    {"number": 1, "category": "example", "boolean": True, "set": ["example"]}
)

#: what a state means for shoppers, in a sentence
STANDING = MappingProxyType(
    {
        State.DRAFT: "Not started. Shoppers get nothing, and nothing is measured.",
        State.RUNNING: "Running. Shoppers outside the holdout get arms, and everything is "
        "measured.",
        State.PAUSED: "Paused. Every shopper gets nothing; these answers are in no estimate.",
        State.STOPPED: "Stopped. Every shopper gets nothing; nothing is added to the numbers once "
        "the last reward window has ended.",
        State.ARCHIVED: "Archived. Every shopper gets nothing; the data stay.",
    }
)
