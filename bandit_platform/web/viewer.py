"""Who is asking: a signed-in user, or the holder of a key."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

from bandit_platform.domain.access import Key, Permission, Role, opens
from bandit_platform.domain.actor import Actor
from bandit_platform.web.sessions import has_sessions, signed_in


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Whoever looks at a page."""

    actor: Actor
    #: None for a stranger, who may do nothing
    role: Role | None

    def may(self, permission: Permission) -> bool:
        """Whether the viewer's role allows something."""
        return self.role is not None and opens(self.role, permission)

    @property
    def is_user(self) -> bool:
        """Whether a person has signed in, who can sign out again."""
        return self.role is not None and self.actor.kind == "user" and has_sessions()


STRANGER = Viewer(actor=Actor(kind="user", name=""), role=None)
#: of an application that nobody signs in to, such as one with fixed reports in a test
_LOCAL = Viewer(actor=Actor(kind="user", name="local"), role=Role.VIEWER)


def viewer() -> Viewer:
    """Whoever makes this request."""
    if "viewer" not in g:
        g.viewer = _find()
    found: Viewer = g.viewer
    return found


def _find() -> Viewer:
    key: Key | None = g.get("key")
    if key is not None:
        name = f"{key.key_id} {key.label}".strip()
        return Viewer(actor=Actor(kind="key", name=name), role=key.role)
    if not has_sessions():
        return _LOCAL
    found = signed_in()
    if found is None:
        return STRANGER
    return Viewer(actor=Actor(kind="user", name=found.user.name), role=found.user.role)
