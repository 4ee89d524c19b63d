"""Settings of a process, read from the environment once and then frozen."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bandit_platform.errors import InputError

PREFIX = "BANDIT_PLATFORM_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a process runs. Every field is the environment variable ``BANDIT_PLATFORM_<NAME>``."""

    #: folder for the journal, the secret and, with SQLite, the database
    data_dir: Path = Path("bandit-platform-data")
    #: SQLAlchemy address of the database; empty means SQLite inside ``data_dir``
    database_url: str = ""
    #: key of every keyed hash (holdout, draws, ids, pseudonyms); empty means the file
    #: ``secret`` inside ``data_dir``, made at first use; give all nodes the same one
    secret: str = ""
    #: address that ``serve`` listens on
    host: str = "127.0.0.1"
    #: port of ``serve``
    port: int = 8080
    #: processes of ``serve``
    workers: int = 1
    #: address that ``console`` listens on
    console_host: str = "127.0.0.1"
    #: port of ``console``
    console_port: int = 8081
    #: seconds between looks for new revisions and model versions
    refresh_seconds: float = 0.5
    #: seconds between rounds of the worker when there is nothing to do
    work_seconds: float = 0.2
    #: seconds after the reward window before a decision matures, for ingest lag
    grace_seconds: float = 1.0
    #: "background" (fsync every 50 ms) or "always" (fsync before each reply)
    journal_fsync: str = "background"
    #: bytes after which a journal segment is closed
    journal_segment_bytes: int = 16_777_216
    #: seconds after which a worker that stopped renewing its lease loses the lead
    lease_seconds: float = 5.0
    #: requests a second that a process takes with one key; 0 for no limit
    key_rate: int = 5000
    #: refusals a second that an address without a valid key is told, before it is told to wait
    stranger_rate: int = 20
    #: proxies in front, each adding the address it was asked from to X-Forwarded-For
    proxies: int = 0
    #: threads of a serving process: one answers, the others wait for callers who send slowly
    threads: int = 4
    #: connections that a serving process holds; each can have one request waiting
    connections: int = 1024

    @property
    def database(self) -> str:
        """The database address in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'bandit-platform.sqlite3'}"

    @property
    def journal_dir(self) -> Path:
        """The folder of this node's journal."""
        return self.data_dir / "journal"

    def to_environment(self) -> dict[str, str]:
        """The environment variables that give these settings."""
        return {f"{PREFIX}{f.name.upper()}": str(getattr(self, f.name)) for f in fields(self)}


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that an environment gives.

    Raises:
        InputError: a variable has a value that cannot be used.
    """
    values: dict[str, Any] = {}
    for field in fields(Settings):
        name = f"{PREFIX}{field.name.upper()}"
        if name in environment:
            values[field.name] = _convert(name, environment[name], type(field.default))
    settings = Settings(**values)
    if settings.journal_fsync not in {"background", "always"}:
        raise InputError(f"{PREFIX}JOURNAL_FSYNC must be background or always")
    return settings


def _convert(name: str, text: str, kind: type) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise InputError(f"{name} must be {_KIND_NAMES.get(kind, 'text')}") from None
    if kind in {int, float} and not 0 <= value < math.inf:
        raise InputError(f"{name} must be finite and not negative")
    return value


_KIND_NAMES = {int: "a whole number", float: "a number"}


def load_secret(settings: Settings) -> bytes:
    """The secret of this deployment: at least 32 bytes.

    Without a configured one, the first process to ask writes a random one into ``data_dir``,
    readable by its owner only, and every later process reads it.

    Raises:
        InputError: the secret is too short.
    """
    if settings.secret:
        return _long_enough(settings.secret, f"{PREFIX}SECRET")
    path = settings.data_dir / "secret"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _long_enough(path.read_text().strip(), f"the secret in {path}")


def _long_enough(secret: str, name: str) -> bytes:
    if len(secret) < 32:
        raise InputError(f"{name} must have at least 32 characters")
    return secret.encode()
