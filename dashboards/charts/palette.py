"""Colours, named by what they are for, in light and dark; pages and figures use the same ones.

Arms take the Okabe-Ito colours, which stay distinct for colour-blind readers. ``nothing`` is the
same neutral grey everywhere, and one accent belongs to the serving policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.reporting.report_records import ArmRow

#: name → colour on a light page; values are unique, so that a figure can be recoloured
LIGHT = MappingProxyType(
    {
        "page": "#f6f6f4",
        "surface": "#ffffff",
        "raised": "#fbfbfa",
        "ink": "#1c1e24",
        "muted": "#5d626d",
        "line": "#e3e3df",
        "grid": "#ededea",
        "accent": "#4a3fc4",
        "accent-soft": "#eeedfb",
        "accent-band": "rgba(74,63,196,0.16)",
        "served": "#3a3f4b",
        "served-band": "rgba(58,63,75,0.10)",
        "good": "#0a6b4d",
        "bad": "#a8430a",
        "code": "#f1f1ee",
    }
)

#: the same names on a dark page
DARK = MappingProxyType(
    {
        "page": "#131519",
        "surface": "#1b1e24",
        "raised": "#20232a",
        "ink": "#eceef2",
        "muted": "#a3a9b5",
        "line": "#31353e",
        "grid": "#2a2e36",
        "accent": "#a79ffb",
        "accent-soft": "#2a2849",
        "accent-band": "rgba(167,159,251,0.22)",
        "served": "#d3d7df",
        "served-band": "rgba(211,215,223,0.12)",
        "good": "#5fd0a8",
        "bad": "#f0a06a",
        "code": "#262a32",
    }
)

#: Okabe-Ito, without black; the same in light and dark
ARMS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
#: the arm that shows nothing
NOTHING_GREY = "#8c8c8c"
#: arms beyond the palette, drawn together
OTHER = "#c4c4bd"


def css() -> str:
    """The colours as custom properties: light, dark where preferred, light again in print."""
    arms = {"nothing": NOTHING_GREY, "other": OTHER}
    arms |= {f"arm-{i}": colour for i, colour in enumerate(ARMS)}
    light, dark = _properties({**LIGHT, **arms}), _properties(DARK)
    classes = "".join(f".fill-{name}{{fill:var(--{name})}}" for name in arms)
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{classes}\n"
    )


def dark_colours() -> dict[str, str]:
    """Light colour → dark colour, to recolour a figure that was made for a light page."""
    return {LIGHT[name]: DARK[name] for name in LIGHT}


def arm_classes(arms: Sequence[ArmRow]) -> dict[str, str]:
    """Arm → name of its colour: ``nothing``, ``arm-0`` …, ``other`` beyond the palette.

    The arms drawn most get a colour of their own, given out in the report's order, so that a
    colour stays with its arm while shares move.
    """
    named = [row for row in arms if row.arm != NOTHING]
    busiest = sorted(named, key=lambda row: -row.interactions)[: len(ARMS)]
    kept = {row.arm for row in busiest}
    classes = {row.arm: "other" for row in named}
    coloured = [row.arm for row in named if row.arm in kept]
    classes |= {arm: f"arm-{position}" for position, arm in enumerate(coloured)}
    return {NOTHING: "nothing", **classes}


def arm_legend(arms: Sequence[ArmRow]) -> tuple[tuple[str, str], ...]:
    """Colour name → label, one line for all arms beyond the palette."""
    classes = arm_classes(arms)
    named = tuple((name, arm) for arm, name in classes.items() if name != "other")
    others = sum(name == "other" for name in classes.values())
    return (*named, ("other", f"{others} other arms")) if others else named


def arm_colour(name: str) -> str:
    """The colour behind a name that :func:`arm_classes` gave."""
    if name == "nothing":
        return NOTHING_GREY
    return OTHER if name == "other" else ARMS[int(name.removeprefix("arm-"))]


def _properties(colours: dict[str, str] | MappingProxyType[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
