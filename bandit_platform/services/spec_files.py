"""Reading experiment files from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.errors import InputError


def read_spec_files(paths: Sequence[Path]) -> list[ExperimentSpec]:
    """The experiments in files, or in folders that hold an ``experiment.toml``.

    Raises:
        InputError: a file is missing or not text.
        SpecError: with every problem of a file.
    """
    return [read_spec_file(path) for path in paths]


def read_spec_file(path: Path) -> ExperimentSpec:
    """The experiment in one file or folder; raises as :func:`read_spec_files`."""
    file = path / "experiment.toml" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as text: {error}") from error
    return parse_toml(text, str(file))
