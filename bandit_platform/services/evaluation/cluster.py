"""Steps of an evaluation on a dask.distributed cluster, a bounded number of them at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from bandit_platform.errors import InputError

AHEAD = 2
"""Parts under way in each step for each worker thread; bounds memory."""

S = TypeVar("S")
T = TypeVar("T")


class Cluster:
    """A connection to a cluster's scheduler."""

    def __init__(self, client: Any) -> None:
        """Wrap a client of dask.distributed."""
        self._client = client

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Begin work on some worker; results of earlier work among the arguments stay there."""
        return self._client.submit(work, *arguments, pure=False)

    def send(self, value: Any) -> Any:
        """Give a value to the workers before the work that needs it."""
        return self._client.scatter(value, hash=False)

    def settled(self, begun: Iterable[S], settle: Callable[[S], T]) -> Iterator[T]:
        """Results in order, while later work is under way.

        Args:
            begun: begins the work, a piece at each step.
            settle: waits for a piece of work.
        """
        most = max(AHEAD * sum(self._client.nthreads().values()), 1)
        waiting: deque[S] = deque()
        for one in begun:
            waiting.append(one)
            if len(waiting) >= most:
                yield settle(waiting.popleft())
        while waiting:
            yield settle(waiting.popleft())


@contextmanager
def open_cluster(scheduler: str | None) -> Iterator[Cluster]:
    """Connect to a scheduler, or start a cluster on this machine's cores.

    Raises:
        InputError: dask is not installed, or nobody answers at that address.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - optional
    except ImportError as why:
        raise InputError(
            "--engine dask needs dask: pip install 'bandit-platform[dask,parquet]'"
        ) from why
    connect: Any = Client  # it is not typed
    try:
        client = (
            connect(threads_per_worker=1, dashboard_address=None, set_as_default=False)
            if scheduler is None
            else connect(scheduler, timeout="10s", set_as_default=False)
        )
    except (OSError, ValueError) as why:
        raise InputError(f"--scheduler {scheduler}: {why}") from why
    with client:
        yield Cluster(client)
