"""``bandit-platform key``: who may ask, report, look and change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from bandit_platform.bootstrap import Platform
    from bandit_platform.services.people.keys import IssuedKey, Keys

app = typer.Typer(help="Issue, list and revoke keys.", no_args_is_help=True)
KeyId = Annotated[str, typer.Argument(help="The 16 characters after pk_ or sk_.")]
Overlap = Annotated[str, typer.Option(help="How long the old key stays valid: 0s, 1h, 7d.")]


@app.command("create")
def create(
    *,
    publishable: Annotated[
        bool, typer.Option("--publishable", help="For pages: decisions and events only.")
    ] = False,
    role: Annotated[
        str | None,
        typer.Option(help="For a secret key: server, viewer, analyst, experimenter or admin."),
    ] = None,
    experiment: Annotated[
        list[str] | None, typer.Option(help="Opens only this experiment. Repeatable.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Page origin that may use it. Repeatable.")
    ] = None,
    label: Annotated[str, typer.Option(help="What you call it.")] = "",
    expires_in: Annotated[str | None, typer.Option(help="Lifetime, such as 90d.")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Issue a key. Its text is printed now and can never be seen again."""
    from bandit_platform.domain.access import Role  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.errors import InputError  # noqa: PLC0415

    if publishable == (role is not None):
        raise InputError("say either --publishable or --role, not both")
    try:
        wanted = None if role is None else Role(role)
    except ValueError:
        raise InputError(f"--role must be one of {', '.join(Role)}") from None
    platform = _platform()
    _demand_known(experiment or (), platform.experiments.states())
    issued = platform.keys.create(
        role=wanted,
        label=label,
        experiments=experiment or None,
        origins=origin or (),
        lifetime=_duration("--expires-in", expires_in) if expires_in else None,
        by=caller(),
    )
    _print_issued(issued, output)
    if publishable and not origin:
        typer.echo(
            "No page can use this key, because it has no --origin. For pages, make another one "
            "with their address, such as --origin https://shop.example, and revoke this one: "
            f"bandit-platform key revoke {issued.key.key_id}",
            err=True,
        )


@app.command("list")
def list_all(output: FormatOption = Format.TABLE) -> None:
    """List every key, without its secret."""
    rows = [
        {
            "key_id": each.key.key_id,
            "kind": "publishable" if each.key.publishable else "secret",
            "role": each.key.role,
            "experiments": sorted(each.key.experiments) if each.key.experiments else None,
            "origins": sorted(each.key.origins),
            "label": each.key.label,
            "created_at": each.key.created_at.isoformat(),
            "expires_at": each.key.expires_at.isoformat() if each.key.expires_at else None,
            "revoked_at": each.key.revoked_at.isoformat() if each.key.revoked_at else None,
            "last_used_at": each.last_used_at.isoformat() if each.last_used_at else None,
        }
        for each in _keys().all()
    ]
    if output is Format.JSON:
        print_json(rows)
        return
    for row in rows:
        end = row["revoked_at"] or row["expires_at"] or "no end"
        typer.echo(
            f"{row['key_id']}  {row['role'] or 'publishable'}  {row['label'] or '-'}  "
            f"until {end}  last used {row['last_used_at'] or 'never'}"
        )


@app.command("rotate")
def rotate(key_id: KeyId, overlap: Overlap = "24h", output: FormatOption = Format.TABLE) -> None:
    """Issue a key like another one, which stays valid for a while."""
    _print_issued(_keys().rotate(key_id, _duration("--overlap", overlap), caller()), output)


@app.command("revoke")
def revoke(key_id: KeyId, overlap: Overlap = "0s") -> None:
    """Let a key end."""
    _keys().revoke(key_id, _duration("--overlap", overlap), caller())
    typer.echo(f"{key_id} ends.")


def _print_issued(issued: IssuedKey, output: Format) -> None:
    if output is Format.JSON:
        print_json({"key": issued.text, "key_id": issued.key.key_id, "role": issued.key.role})
    else:
        typer.echo(issued.text)
        typer.echo("Keep it: it is stored as a hash and cannot be shown again.", err=True)


def _duration(option: str, text: str) -> timedelta:
    from bandit_platform.domain.duration import parse_duration  # noqa: PLC0415 - fast --help
    from bandit_platform.errors import InputError  # noqa: PLC0415

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option} {error}") from None


def _demand_known(wanted: Iterable[str], known: Iterable[str]) -> None:
    from difflib import get_close_matches  # noqa: PLC0415 - keeps --help fast

    from bandit_platform.errors import InputError  # noqa: PLC0415

    keys = list(known)
    for key in wanted:
        if key not in keys:
            near = get_close_matches(key, keys, n=1)
            guess = f"; did you mean {near[0]}?" if near else "; apply it first"
            raise InputError(f"--experiment {key}: there is no experiment with this key{guess}")


def _platform() -> Platform:
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    return build(load_settings())


def _keys() -> Keys:
    return _platform().keys
