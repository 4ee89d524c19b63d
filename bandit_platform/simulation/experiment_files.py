"""Where the experiments that come with the platform are."""

from __future__ import annotations

from pathlib import Path

from bandit_platform.errors import NotFoundError

_PACKAGE = Path(__file__).parents[1]
#: inside an installed package, and in a checkout
_PLACES = (_PACKAGE / "_experiments", _PACKAGE.parent / "experiments")


def shipped_experiment(name: str) -> Path:
    """The folder of an experiment that comes with the platform.

    Raises:
        NotFoundError: there is none of this name.
    """
    for place in _PLACES:
        if (place / name / "experiment.toml").is_file():
            return place / name
    raise NotFoundError(f"no experiment {name} comes with this installation")
