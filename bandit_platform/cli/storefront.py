"""The demo's shop, open to a person while the demo runs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from bandit_platform.bootstrap import Platform
    from bandit_platform.domain.experiment import ExperimentSpec
    from bandit_platform.simulation.stage import Stage

_ORIGIN_HOSTS = ("127.0.0.1", "localhost")


@contextmanager
def storefront(platform: Platform, stage: Stage) -> Iterator[str]:
    """Launch the shop's experiment, issue its two keys, and open its doors.

    They are where the settings say, else on a free port. The keys open every experiment, since the
    shop can be opened for any of them.

    Yields:
        The shop's address.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415 - keeps --help fast

    from bandit_platform.client.client import Client  # noqa: PLC0415
    from bandit_platform.domain.access import Role  # noqa: PLC0415
    from bandit_platform.domain.lifecycle import Action  # noqa: PLC0415
    from bandit_platform.services.launching.spec_files import read_spec_file  # noqa: PLC0415
    from bandit_platform.simulation.experiment_files import shipped_experiment  # noqa: PLC0415
    from bandit_platform.simulation.storefront.app import (  # noqa: PLC0415
        Storefront,
        create_storefront,
    )

    class Quiet(WSGIRequestHandler):
        def log_request(self, *_: object) -> None:
            pass

    spec = read_spec_file(shipped_experiment("demo_shop"))
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    settings = stage.settings
    service = f"http://{settings.host}:{settings.port}"
    issue = platform.keys.create
    secret = issue(role=Role.SERVER, label="the demo shop's server")
    wanted = urlsplit(settings.shop_url).port or 0
    with (
        socket.create_server(("127.0.0.1", wanted)) as door,
        Client(service, secret.text) as client,
    ):
        port = door.getsockname()[1]
        origins = [f"http://{host}:{port}" for host in _ORIGIN_HOSTS]
        shop = Storefront(
            experiment=spec.key,
            find=lambda key: _find(platform, key),
            service=service,
            console=f"http://{settings.console_host}:{settings.console_port}",
            publishable_key=issue(role=None, label="the demo shop's pages", origins=origins).text,
            client=client,
        )
        server = make_server(
            "127.0.0.1",
            port,
            create_storefront(shop),
            threaded=True,
            request_handler=Quiet,
            fd=door.fileno(),
        )
        thread = Thread(target=server.serve_forever, name="storefront", daemon=True)
        thread.start()
        try:
            yield f"{origins[0]}/"
        finally:
            server.shutdown()
            server.server_close()


def _find(platform: Platform, key: str) -> ExperimentSpec | None:
    from bandit_platform.errors import NotFoundError  # noqa: PLC0415 - keeps --help fast

    try:
        return platform.experiments.get(key).spec
    except NotFoundError:
        return None
