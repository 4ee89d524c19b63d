"""The types of the shops' script: a compiler takes what shops write, and refuses what is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bandit_platform.domain.decision import Reason

USAGE = Path(__file__).with_name("sdk_usage.ts")
TYPES = Path(__file__).parents[2] / "bandit_platform" / "web" / "sdk" / "offers.d.ts"
REQUIRED = os.environ.get("BANDIT_PLATFORM_REQUIRE_BROWSER") == "1"


@pytest.mark.skipif(
    not REQUIRED and shutil.which("tsc") is None,
    reason="there is no tsc, the compiler of TypeScript (on Debian: node-typescript)",
)
def test_a_shop_in_typescript_compiles() -> None:
    options = ["--noEmit", "--strict", "--target", "es2020", "--lib", "es2020,dom"]
    done = subprocess.run(
        ["tsc", *options, str(USAGE)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_every_reason_of_the_service_is_typed() -> None:
    typed = re.search(r"type Reason =(.*?);", TYPES.read_text(), re.S)
    assert typed is not None
    assert set(re.findall(r'"(\w+)"', typed[1])) >= set(Reason)
