"""Who is asking: a signed-in user, or the holder of a key."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

from bandit_platform.domain.access import Permission, Role, opens
from bandit_platform.domain.actor import Actor


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Whoever looks at a page."""

    actor: Actor
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether the viewer's role allows something."""
        return opens(self.role, permission)


_LOCAL = Viewer(actor=Actor(kind="user", name="local"), role=Role.VIEWER)


def viewer() -> Viewer:
    """Whoever makes this request."""
    found: Viewer = g.get("viewer", _LOCAL)
    return found
