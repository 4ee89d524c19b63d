"""``bandit-platform user``: who may sign in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.bootstrap import Platform
    from bandit_platform.domain.user import User
    from bandit_platform.services.people.users import Link

app = typer.Typer(help="Make, list, disable and enable users.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The name that the person signs in with.")]
RoleOption = Annotated[str, typer.Option(help="viewer, analyst, experimenter or admin.")]


@app.command("create")
def create(name: Name, role: RoleOption, output: FormatOption = Format.TABLE) -> None:
    """Make a user; prints the one-time link with which the person chooses a password."""
    _print_link(_platform().users.create(name, role, by=caller()), output)


@app.command("list")
def list_all(output: FormatOption = Format.TABLE) -> None:
    """List every user."""
    rows = [_row(user) for user in _platform().users.all()]
    if output is Format.JSON:
        print_json(rows)
        return
    if not rows:
        typer.echo("No users yet. Make one: bandit-platform user create NAME --role admin")
    for row in rows:
        seen = row["signed_in_at"] or "never"
        typer.echo(f"{row['name']}  {row['role']}  {row['state']}  signed in {seen}")


@app.command("set-role")
def set_role(name: Name, role: RoleOption, output: FormatOption = Format.TABLE) -> None:
    """Give a user another role; the user has to sign in again."""
    _print_user(_platform().users.set_role(name, role, by=caller()), output)


@app.command("disable")
def disable(name: Name, output: FormatOption = Format.TABLE) -> None:
    """Let a user no longer sign in, and end the user's sessions."""
    _print_user(_platform().users.disable(name, by=caller()), output)


@app.command("enable")
def enable(name: Name, output: FormatOption = Format.TABLE) -> None:
    """Let a disabled user sign in again."""
    _print_user(_platform().users.enable(name, by=caller()), output)


@app.command("link")
def link(name: Name, output: FormatOption = Format.TABLE) -> None:
    """Print a one-time link with which a user chooses a new password."""
    _print_link(_platform().users.link(name, by=caller()), output)


def _print_link(made: Link, output: Format) -> None:
    from bandit_platform.settings import load_settings  # noqa: PLC0415 - keeps --help fast

    address = load_settings().console_address + made.path
    ends = made.expires_at.isoformat(timespec="minutes")
    if output is Format.JSON:
        print_json({"name": made.name, "link": address, "expires_at": ends})
        return
    typer.echo(address)
    typer.echo(f"It lets {made.name} choose a password, once, until {ends}.", err=True)


def _print_user(user: User, output: Format) -> None:
    row = _row(user)
    if output is Format.JSON:
        print_json(row)
    else:
        typer.echo(f"{row['name']} is {row['role']}, {row['state']}.")


def _row(user: User) -> dict[str, str | None]:
    return {
        "name": user.name,
        "role": user.role,
        "state": _state(user),
        "created_at": user.created_at.isoformat(),
        "signed_in_at": user.signed_in_at.isoformat() if user.signed_in_at else None,
    }


def _state(user: User) -> str:
    if not user.is_active:
        return "disabled"
    return "active" if user.has_password else "has not chosen a password"


def _platform() -> Platform:
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    return build(load_settings())
