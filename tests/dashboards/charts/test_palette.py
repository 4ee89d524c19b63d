from __future__ import annotations

import pytest

from bandit_platform.services.reporting.report_records import ArmRow
from dashboards.charts import palette


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def arm(name: str, interactions: int = 1) -> ArmRow:
    return ArmRow(arm=name, active=True, interactions=interactions, share=0.1, mean_reward=None)


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "good", "bad"])
@pytest.mark.parametrize("ground", ["page", "surface", "code"])
def test_text_is_readable_in_light_and_dark(
    colours: dict[str, str], text: str, ground: str
) -> None:
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_every_light_colour_has_one_dark_counterpart() -> None:
    assert set(palette.LIGHT) == set(palette.DARK)
    assert len(set(palette.LIGHT.values())) == len(palette.LIGHT)
    assert palette.dark_colours()[palette.LIGHT["ink"]] == palette.DARK["ink"]
    assert not set(palette.LIGHT.values()) & {*palette.ARMS, palette.NOTHING_GREY, palette.OTHER}


def test_nothing_is_grey_and_arms_keep_their_colour_while_shares_move() -> None:
    before = palette.arm_classes([arm("nothing", 9), arm("a", 5), arm("b", 1)])
    after = palette.arm_classes([arm("nothing", 1), arm("a", 2), arm("b", 7)])
    assert before == after == {"nothing": "nothing", "a": "arm-0", "b": "arm-1"}
    assert palette.arm_colour("nothing") == palette.NOTHING_GREY
    assert palette.arm_colour("arm-1") == palette.ARMS[1]


def test_arms_beyond_the_palette_are_gathered() -> None:
    rows = [arm("nothing"), *(arm(f"a{i}", i) for i in range(10))]
    classes = palette.arm_classes(rows)
    assert [name for name, colour in classes.items() if colour == "other"] == ["a0", "a1", "a2"]
    assert classes["a3"] == "arm-0"
    assert palette.arm_colour("other") == palette.OTHER


def test_the_style_sheet_names_every_colour_and_prints_light() -> None:
    css = palette.css()
    assert "@media screen and (prefers-color-scheme:dark)" in css
    for name in (*palette.LIGHT, "nothing", "other", "arm-6"):
        assert f"--{name}:" in css
