from __future__ import annotations

import multiprocessing
import stat
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from bandit_platform.errors import InputError
from bandit_platform.settings import PREFIX, Settings, load_secret, load_settings


def test_without_variables_everything_has_its_default() -> None:
    assert load_settings({"PATH": "/bin", "PORT": "1"}) == Settings()
    assert load_settings() == Settings()


def test_every_setting_is_a_variable_and_comes_back_from_it() -> None:
    changed = Settings(
        data_dir=Path("/srv/data"),
        database_url="postgresql://db/shop",
        secret="s" * 40,
        host="0.0.0.0",  # noqa: S104 - a value like any other here
        port=1,
        workers=3,
        console_host="::1",
        console_port=2,
        refresh_seconds=1.25,
        work_seconds=0.5,
        grace_seconds=3.0,
        journal_fsync="always",
        journal_segment_bytes=5,
        lease_seconds=7.0,
        key_rate=9,
        stranger_rate=8,
        proxies=1,
        threads=5,
        connections=64,
    )
    default = Settings()
    assert [
        f.name for f in fields(Settings) if getattr(changed, f.name) == getattr(default, f.name)
    ] == []
    assert load_settings(changed.to_environment()) == changed


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("PORT", ""),
        ("PORT", "-1"),
        ("WORKERS", "two"),
        ("REFRESH_SECONDS", "fast"),
        ("REFRESH_SECONDS", "-0.1"),
        ("REFRESH_SECONDS", "nan"),
        ("LEASE_SECONDS", "inf"),
        ("GRACE_SECONDS", ""),
        ("JOURNAL_SEGMENT_BYTES", "16M"),
        ("JOURNAL_FSYNC", "sometimes"),
        ("JOURNAL_FSYNC", ""),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"^{PREFIX}{name} must"):
        load_settings({f"{PREFIX}{name}": value})


def test_the_database_is_sqlite_in_the_data_folder_unless_given() -> None:
    assert Settings(data_dir=Path("/srv/x")).database == "sqlite:////srv/x/bandit-platform.sqlite3"
    assert Settings(database_url="postgresql://db/shop").database == "postgresql://db/shop"
    assert Settings(data_dir=Path("/srv/x")).journal_dir == Path("/srv/x/journal")


def test_a_configured_secret_is_used_as_it_is(tmp_path: Path) -> None:
    settings = Settings(secret="x" * 32, data_dir=tmp_path / "never-made")
    assert load_secret(settings) == b"x" * 32
    assert not settings.data_dir.exists()


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 32 characters"):
        load_secret(Settings(secret="x" * 31, data_dir=tmp_path))
    (tmp_path / "secret").write_text("short\n")
    with pytest.raises(InputError, match="at least 32 characters"):
        load_secret(Settings(data_dir=tmp_path))


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "folder")
    secret = load_secret(settings)
    assert len(secret) == 64
    assert load_secret(settings) == secret
    (file,) = settings.data_dir.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_secret(Settings(data_dir=tmp_path / "other")) != secret


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(load_secret, [settings] * 16, chunksize=1))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
