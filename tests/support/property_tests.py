"""The inputs of property tests: the same in every run, or new ones in fuzz mode.

By default Hypothesis derives the inputs from the tests themselves, so that a run can be repeated
on any machine. ``--fuzz`` draws new inputs and runs the property tests only; the seed is printed,
and ``--fuzz-seed`` repeats that run. No run reads or writes an example database.
"""

from __future__ import annotations

import importlib
import pkgutil
import secrets
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

_SHARED = settings(
    database=None,
    deadline=None,  # a busy machine is no reason to fail
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("repeatable", _SHARED, derandomize=True)
settings.register_profile("fuzz", _SHARED, derandomize=False, print_blob=True)

#: run as programs; they cannot be imported
_PROGRAMS = ("bandit_platform.__main__", "bandit_platform.storage.migrations.env")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of fuzz mode."""
    group = parser.getgroup("fuzz mode")
    group.addoption(
        "--fuzz",
        action="store_true",
        help="run the property tests only, with new inputs from a seed that is printed",
    )
    group.addoption(
        "--fuzz-seed", type=int, metavar="N", help="repeat the run in fuzz mode with this seed"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Chooses the profile before Hypothesis reads its own options; xdist's workers get the seed."""
    if config.option.fuzz and config.option.fuzz_seed is None:
        config.option.fuzz_seed = secrets.randbelow(2**32)
    if config.option.fuzz_seed is None:
        settings.load_profile("repeatable")
    else:
        settings.load_profile("fuzz")
        config.option.hypothesis_seed = str(config.option.fuzz_seed)


def pytest_report_header(config: pytest.Config) -> str | None:
    """The seed of a run in fuzz mode."""
    return _seed_line(config)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Repeats the seed at the end, where failures are read."""
    line = _seed_line(config)
    if line is not None:
        terminalreporter.write_line(line)


def _seed_line(config: pytest.Config) -> str | None:
    seed = config.option.fuzz_seed
    return None if seed is None else f"fuzz mode: repeat this run with --fuzz-seed {seed}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In fuzz mode, keeps the property tests: Hypothesis marks them, a few mark themselves."""
    if config.option.fuzz_seed is None:
        return
    kept = [item for item in items if item.get_closest_marker("hypothesis")]
    dropped = [item for item in items if not item.get_closest_marker("hypothesis")]
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Loads the product before a property test runs."""
    if item.get_closest_marker("hypothesis"):
        _load_product()


@cache
def _load_product() -> None:
    """Imports every module of the product.

    Hypothesis also tries constants of the modules that happen to be loaded. Which ones are loaded
    depends on the tests that this process ran before, so all of them are.
    """
    for root in ("bandit_platform", "dashboards"):
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, f"{root}."):
            if module.name not in _PROGRAMS:
                importlib.import_module(module.name)
