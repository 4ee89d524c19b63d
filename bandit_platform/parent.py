"""Ends a process when its parent process ends, even by ``kill -9``.

Otherwise ``kill -9`` of the parent alone (by the OOM killer, for example) would leave its child
processes running, and they would keep the port from the next start.

On Linux the kernel kills them (``PR_SET_PDEATHSIG``), also those that are stopped or busy outside
Python. Elsewhere, and for a parent that died before that was set, a thread compares parent ids.
Each process watches its own parent, so the end of one at the top goes down the whole tree.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import MutableMapping
from threading import Thread

_VARIABLE = "BANDIT_SERVER_PID"
_LOOK_SECONDS = 0.2
#: prctl's option, from linux/prctl.h
_PR_SET_PDEATHSIG = 1


def be_parent(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the processes that are about to start know whose they are."""
    environment[_VARIABLE] = str(os.getpid())


def has_parent(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether one of our own commands started this process; else it is another server's."""
    return _VARIABLE in environment


def end_with_parent(environment: MutableMapping[str, str] = os.environ) -> None:
    """End this process as soon as its parent has ended; under another server do nothing.

    The kernel counts the *thread* that started this process as its parent, so parents start
    processes from their main thread, or from one that ends them before it ends.
    """
    parent = int(environment.get(_VARIABLE, "0"))
    if not parent or (os.getppid() != parent and _lives(parent)):
        return
    _ask_kernel()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)  # what was acknowledged is in the journal, as after a kill

    Thread(target=watch, name="parent-watch", daemon=True).start()


def _ask_kernel() -> None:
    """Have this process killed with its parent, where the kernel can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
