"""Server processes end when the process that started them is gone, however it went.

``kill -9`` of the parent alone, by the system short of memory for one, would leave its processes
behind: they would go on answering with nobody to stop them, and keep the port from the next start.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from threading import Thread

_VARIABLE = "BANDIT_SERVER_PID"
_LOOK_SECONDS = 0.2


def be_parent(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the processes that are about to start know whose they are."""
    environment[_VARIABLE] = str(os.getpid())


def has_parent(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether one of our own commands started this process; else it is another server's."""
    return _VARIABLE in environment


def end_with_parent(environment: MutableMapping[str, str] = os.environ) -> None:
    """End this process soon after its parent has ended; under another server do nothing."""
    parent = int(environment.get(_VARIABLE, "0"))
    if not parent or (os.getppid() != parent and _lives(parent)):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)  # what was acknowledged is in the journal, as after a kill

    Thread(target=watch, name="parent-watch", daemon=True).start()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
