"""The experiments that come with the platform are found, valid and complete."""

import pytest

from bandit_platform.errors import NotFoundError
from bandit_platform.services.evaluation.logged_columns import read_columns
from bandit_platform.services.launching.spec_files import read_spec_file
from bandit_platform.simulation import experiment_files
from bandit_platform.simulation.experiment_files import shipped_experiment

NAMES = ("confirmation_page", "hillstrom_email", "hillstrom_email_costly")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_and_explained(name: str) -> None:
    folder = shipped_experiment(name)
    spec = read_spec_file(folder)
    assert spec.hypothesis.strip()
    readme = (folder / "README.md").read_text()
    for heading in ("Hypothesis", "Reward", "Window", "Stopping rule"):
        assert f"## {heading}" in readme
    if (folder / "columns.toml").exists():
        read_columns(folder / "columns.toml", spec)


def test_an_installed_package_has_its_own_copy(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = shipped_experiment(NAMES[0]).parent
    monkeypatch.setattr(experiment_files, "_PLACES", (checkout / "absent", checkout))
    assert shipped_experiment(NAMES[0]).parent == checkout


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no experiment nowhere"):
        shipped_experiment("nowhere")
