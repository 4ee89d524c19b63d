"""Reading experiment files from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.errors import InputError, Problem, SpecError


def read_spec_files(paths: Sequence[Path]) -> list[ExperimentSpec]:
    """The experiments in files, or in folders that hold an ``experiment.toml``.

    Raises:
        InputError: a file is missing or not text, or describes the same experiment as another.
        SpecError: with every problem of every file.
    """
    specs: list[ExperimentSpec] = []
    bad: list[SpecError] = []
    for path in paths:
        try:
            specs.append(read_spec_file(path))
        except SpecError as error:
            bad.append(error)
    if bad:
        raise bad[0] if len(bad) == 1 else _together(bad)
    for spec in specs:
        if sum(other.key == spec.key for other in specs) > 1:
            raise InputError(f"two files describe {spec.key}; give one of them another key")
    return specs


def _together(errors: Sequence[SpecError]) -> SpecError:
    problems = [
        Problem(path=": ".join(filter(None, (error.source, each.path))), message=each.message)
        for error in errors
        for each in error.problems
    ]
    return SpecError(problems, f"{len(errors)} files")


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
