"""What can be reached from where: the console's map."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, request

from bandit_platform.web.auth import PERMISSIONS
from bandit_platform.web.viewer import viewer


@dataclass(frozen=True, kw_only=True)
class Link:
    """An entry of a menu."""

    label: str
    endpoint: str
    here: bool


_MAIN = (
    ("Experiments", "console.experiments"),
    ("Questions", "questions.all_questions"),
    ("Data quality", "quality.page"),
    ("Settings", "settings.page"),
)
_OF_AN_EXPERIMENT = (
    ("Overview", "console.experiment"),
    ("Policies", "policies.page"),
    ("Segments", "segments.page"),
    ("Decisions", "decision_pages.search"),
    ("Deployments", "deployments.page"),
    ("Setup", "setup.page"),
    ("History", "history.page"),
)


def main_menu() -> list[Link]:
    """The entries of the top menu that the viewer may open."""
    return _links(_MAIN)


def experiment_menu() -> list[Link]:
    """The pages of one experiment that the viewer may open; their address takes ``key``."""
    return _links(_OF_AN_EXPERIMENT)


def _links(entries: tuple[tuple[str, str], ...]) -> list[Link]:
    blueprint = (request.endpoint or "").partition(".")[0]
    return [
        Link(
            label=label,
            endpoint=endpoint,
            here=request.endpoint == endpoint
            or (blueprint != "console" and blueprint == endpoint.partition(".")[0]),
        )
        for label, endpoint in entries
        if may_open(endpoint)
    ]


def may_open(endpoint: str) -> bool:
    """Whether there is such a page and the viewer may open it."""
    if endpoint not in current_app.view_functions:
        return False
    wanted = PERMISSIONS.get(endpoint)
    return wanted is None or viewer().may(wanted)
