"""Who runs a command, for the audit log."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bandit_platform.domain.actor import Actor


def caller() -> Actor:
    """The operating system's user."""
    from bandit_platform.domain.actor import Actor  # noqa: PLC0415 - keeps --help fast

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in many containers
        name = str(os.getuid())
    return Actor(kind="command-line", name=name)
