"""Settings of a process: environment first, then one optional file, read once and then frozen.

The file is the one that ``BANDIT_PLATFORM_CONFIG`` names; without that, ``bandit-platform.toml`` in
the working folder, if there is one. It holds the settings by their names in lower case.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from bandit_platform.errors import InputError, SettingsError
from bandit_platform.private_files import make_folder

PREFIX = "BANDIT_PLATFORM_"
#: the variable that names the file
FILE_VARIABLE = f"{PREFIX}CONFIG"
#: the file in the working folder that is read when the variable names none
FILE_NAME = "bandit-platform.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a process runs: variables ``BANDIT_PLATFORM_<NAME>``, or names in the file."""

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
    #: where people reach the console, such as ``https://console.example``, if not at its own
    #: address; with https its cookies are sent over https only
    console_url: str = ""
    #: where shops reach ``serve``, such as ``https://offers.example``, if not at its own address;
    #: the console's commands name it, and its test decisions go there
    service_url: str = ""
    #: a page of a shop that asks the experiment named in ``?experiment=``, such as the demo's shop;
    #: the console offers to try experiments there
    shop_url: str = ""
    #: seconds between looks for new revisions and model versions
    refresh_seconds: float = 0.5
    #: seconds between rounds of the worker when there is nothing to do
    work_seconds: float = 0.2
    #: seconds after the reward window before a decision matures, for ingest lag
    grace_seconds: float = 1.0
    #: seconds that maturity waits for a serving node that is no longer heard of
    node_wait_seconds: float = 300.0
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
    #: requests a second with publishable keys that a process takes from one address; 0 for no limit
    page_rate: int = 20
    #: decisions a minute with publishable keys that count for one unit, in each experiment and
    #: process; what is above is answered, and in no estimate; 0 for no limit
    unit_limit: int = 20
    #: the same for one address; IPv6: a /64 network, and four times as many for a /48
    address_limit: int = 30
    #: proxies in front, each adding the address it was asked from to X-Forwarded-For
    proxies: int = 0
    #: threads that answer the console; ``serve`` answers one request after the other
    threads: int = 4
    #: seconds that requests may wait before ``serve`` refuses a part of them; 0 for no end
    wait_seconds: float = 0.5
    #: days that questions are kept after they were answered or given up
    question_days: int = 180
    #: connections that a serving process holds; each can have one request waiting
    connections: int = 1024
    #: seconds that ``serve`` and ``console`` still answer after SIGTERM, while ``/readyz`` is 503
    drain_seconds: float = 2.0

    @property
    def database(self) -> str:
        """The database address in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'bandit-platform.sqlite3'}"

    @property
    def console_address(self) -> str:
        """Where people reach the console, without a slash at the end."""
        return (self.console_url or _own(self.console_host, self.console_port)).rstrip("/")

    @property
    def service_address(self) -> str:
        """Where shops reach the service, without a slash at the end."""
        return (self.service_url or _own(self.host, self.port)).rstrip("/")

    @property
    def journal_dir(self) -> Path:
        """The folder of this node's journal."""
        return self.data_dir / "journal"

    def to_environment(self) -> dict[str, str]:
        """The environment variables that give these settings."""
        return {f"{PREFIX}{f.name.upper()}": str(getattr(self, f.name)) for f in fields(self)}


def _own(host: str, port: int) -> str:
    """An address by which this machine reaches what listens there."""
    host = _LOOPBACK.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


#: listening on all addresses → one of them
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on


@dataclass(frozen=True, kw_only=True)
class Effective:
    """Settings and where each of them came from."""

    settings: Settings
    #: field → the variable, the file with the line, or "default"
    origins: Mapping[str, str]


def load_settings(environment: Mapping[str, str] = os.environ, folder: Path = Path()) -> Settings:
    """The settings of a process; arguments and errors as for :func:`effective_settings`."""
    return effective_settings(environment, folder).settings


def effective_settings(
    environment: Mapping[str, str] = os.environ, folder: Path = Path()
) -> Effective:
    """The settings that environment and file give, and where each came from.

    Args:
        environment: variables; they win over the file.
        folder: where ``bandit-platform.toml`` is looked for.

    Raises:
        SettingsError: values that cannot be used or names that are no settings, all of them.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    origins = {field.name: "default" for field in fields(Settings)}
    known = {field.name: field for field in fields(Settings)}

    def take(field: Field[Any], origin: str, label: str, read: Callable[[], Any]) -> None:
        try:
            value = read()
            _check(field.name, value)
        except ValueError as error:
            problems.append(f"{label} {error}")
        else:
            values[field.name] = value
            origins[field.name] = origin

    path, text, table = _read_file(environment, folder, problems)
    for name, value in table.items():
        place = f"{path}, line {_line(text, name)}"
        if name not in known:
            problems.append(f"{place}: {name} is not a setting")
            continue
        take(
            known[name],
            place,
            f"{place}: {name}",
            partial(_typed, known[name], value, path),
        )
    for field in known.values():
        variable = f"{PREFIX}{field.name.upper()}"
        if variable in environment:
            given = environment[variable]
            take(field, variable, variable, partial(_converted, field, given))
    if problems:
        raise SettingsError(problems)
    return Effective(settings=Settings(**values), origins=origins)


def _read_file(
    environment: Mapping[str, str], folder: Path, problems: list[str]
) -> tuple[Path, str, dict[str, Any]]:
    """The file's path, text and table; without a file an empty one."""
    named = environment.get(FILE_VARIABLE)
    path = Path(named) if named else folder / FILE_NAME
    if not named and not path.exists():
        return path, "", {}
    try:
        text = path.read_text(encoding="utf-8")
        return path, text, tomllib.loads(text)
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        problems.append(f"{path}: must be text in UTF-8")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path}: {error}")
    return path, "", {}


def _line(text: str, name: str) -> int:
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _kind(field: Field[Any]) -> type[Any]:
    kind: type[Any] = type(field.default)
    return Path if issubclass(kind, Path) else kind


def _typed(field: Field[Any], value: Any, path: Path) -> Any:
    """A value of the file as the setting it is for; relative folders start where the file is."""
    kind = _kind(field)
    if kind is float and type(value) is int:
        return float(value)
    wanted = str if kind is Path else kind
    if type(value) is not wanted:
        raise ValueError(f"must be {_KIND_NAMES[wanted]}")
    return path.parent / value if kind is Path else value


def _converted(field: Field[Any], text: str) -> Any:
    kind = _kind(field)
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be {_KIND_NAMES[kind]}") from None


def _check(name: str, value: Any) -> None:
    if name == "journal_fsync" and value not in {"background", "always"}:
        raise ValueError("must be background or always")
    if isinstance(value, (int, float)) and not 0 <= value < math.inf:
        raise ValueError("must be finite and not negative")
    if name == "secret" and 0 < len(value) < _SECRET_LENGTH:
        raise ValueError(_TOO_SHORT)
    if name in _AT_LEAST_ONE and value < 1:
        raise ValueError("must be at least 1")
    if name in _PORTS and value > 65535:
        raise ValueError("must be at most 65535")
    if name in _ADDRESSES and value and not _ADDRESS.fullmatch(value):
        raise ValueError("must begin with http:// or https://, and name a host")


_AT_LEAST_ONE = frozenset(
    {"workers", "threads", "connections", "journal_segment_bytes", "question_days"}
)
_SECRET_LENGTH = 32
_TOO_SHORT = f"must have at least {_SECRET_LENGTH} characters"
_PORTS = frozenset({"port", "console_port"})
_ADDRESSES = frozenset({"console_url", "service_url", "shop_url"})
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_KIND_NAMES: Mapping[type, str] = {int: "a whole number", float: "a number", str: "text"}


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
    make_folder(settings.data_dir)
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
    if len(secret) < _SECRET_LENGTH:
        raise InputError(f"{name} {_TOO_SHORT}")
    return secret.encode()
