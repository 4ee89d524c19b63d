"""``promote``, ``ramp``, ``hold``, ``pin``, ``release``, ``roll-back`` and ``deployments``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_platform.cli.caller import caller
from bandit_platform.cli.output import Format, FormatOption, print_json

if TYPE_CHECKING:
    from bandit_platform.bootstrap import Platform
    from bandit_platform.services.deployments.entries import DeploymentEntry

Key = Annotated[str, typer.Argument(help="The experiment's key.")]
Policy = Annotated[str, typer.Argument(help="The policy's name, such as a candidate's.")]
BasedOn = Annotated[
    int | None,
    typer.Option("--based-on", help="Change nothing unless this deployment is in force."),
]


def promote(
    key: Key, policy: Policy, based_on: BasedOn = None, output: FormatOption = Format.TABLE
) -> None:
    """Make a policy the champion. The next refresh serves what its model has learned."""
    _print(_platform().deployments.promote(key, policy, caller(), based_on=based_on), output)


def ramp(
    key: Key,
    policy: Policy,
    share: Annotated[float, typer.Argument(help="The policy's share, above 0 and below 1.")],
    based_on: BasedOn = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Mix a policy into every decision with this share, alongside the champion."""
    _print(_platform().deployments.ramp(key, policy, share, caller(), based_on=based_on), output)


def hold(key: Key, based_on: BasedOn = None, output: FormatOption = Format.TABLE) -> None:
    """Keep the shares as they are until a person changes them."""
    _print(_platform().deployments.hold(key, caller(), based_on=based_on), output)


def pin(
    key: Key,
    version: Annotated[
        int | None,
        typer.Option(help="Version of the champion's model. Default: the one that serves now."),
    ] = None,
    based_on: BasedOn = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Serve one fixed model version of the champion, whatever its model learns later."""
    _print(_platform().deployments.pin(key, version, caller(), based_on=based_on), output)


def release(key: Key, based_on: BasedOn = None, output: FormatOption = Format.TABLE) -> None:
    """Serve the newest model versions again, and end a hold."""
    _print(_platform().deployments.release(key, caller(), based_on=based_on), output)


def roll_back(key: Key, based_on: BasedOn = None, output: FormatOption = Format.TABLE) -> None:
    """Go back to what served before the ramp, or before the champion changed last."""
    _print(_platform().deployments.roll_back(key, caller(), based_on=based_on), output)


def list_deployments(key: Key, output: FormatOption = Format.TABLE) -> None:
    """List what served an experiment, newest first, with the evidence for each change."""
    entries = _platform().deployments.deployments(key)
    if output is Format.JSON:
        print_json([entry.to_dict() for entry in entries])
        return
    for entry in entries:
        typer.echo(_line(entry.to_dict()))


def _print(entry: DeploymentEntry, output: Format) -> None:
    if output is Format.JSON:
        print_json(entry.to_dict())
        return
    made = entry.to_dict()
    typer.echo(_line(made))
    uplift = made["why"].get("uplift_over_champion")
    if uplift and not uplift["collecting"]:
        typer.echo(
            f"  evidence: uplift over the champion before it {uplift['value']:+.6g} "
            f"({_bound(uplift['lower'])} to {_bound(uplift['upper'])}, {uplift['interval']}) "
            f"from {uplift['n']:,} interactions"
        )


def _bound(value: float | None) -> str:
    return "no bound yet" if value is None else f"{value:+.6g}"


def _line(made: dict[str, Any]) -> str:
    """A deployment in one line."""
    parts = [f"{made['number']}  {made['since']}  {made['action']}", _serves(made)]
    if made["held"]:
        parts.append("held")
    return "  ".join([*parts, f"by {made['by']['name']}"])


def _serves(made: dict[str, Any]) -> str:
    champion = _with_version(made["champion"], made["champion_version"])
    if made["challenger"] is None:
        return f"champion {champion}"
    challenger = _with_version(made["challenger"], made["challenger_version"])
    return f"champion {champion}, challenger {challenger} with share {made['share']:g}"


def _with_version(name: str, version: int | None) -> str:
    return name if version is None else f"{name} (pinned to version {version})"


def _platform() -> Platform:
    from bandit_platform.bootstrap import build  # noqa: PLC0415 - keeps --help fast
    from bandit_platform.settings import load_settings  # noqa: PLC0415

    return build(load_settings())
