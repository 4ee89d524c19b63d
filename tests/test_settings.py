from __future__ import annotations

import json
import multiprocessing
import re
import stat
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest

from bandit_platform.errors import InputError, SettingsError
from bandit_platform.settings import (
    FILE_NAME,
    FILE_VARIABLE,
    PREFIX,
    Settings,
    effective_settings,
    load_secret,
    load_settings,
)


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
        console_url="https://console.example",
        service_url="https://offers.example",
        shop_url="https://staging.shop.example/thank-you",
        refresh_seconds=1.25,
        work_seconds=0.5,
        grace_seconds=3.0,
        node_wait_seconds=30.0,
        journal_fsync="always",
        journal_segment_bytes=5,
        lease_seconds=7.0,
        key_rate=9,
        stranger_rate=8,
        page_rate=7,
        unit_limit=6,
        address_limit=5,
        proxies=1,
        threads=5,
        wait_seconds=0.75,
        connections=64,
        drain_seconds=0.5,
        question_days=30,
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
        ("SECRET", "x" * 31),
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


def written(folder: Path, text: str, name: str = FILE_NAME) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_every_setting_may_stand_in_the_file(tmp_path: Path) -> None:
    default = Settings()
    values = {f.name: getattr(default, f.name) for f in fields(Settings)}
    lines = [f"{name} = {json.dumps(value, default=str)}" for name, value in values.items()]
    written(tmp_path, "\n".join(lines))
    found = effective_settings({}, tmp_path)
    assert found.settings == replace(default, data_dir=tmp_path / default.data_dir)
    for number, field in enumerate(fields(Settings), start=1):
        assert found.origins[field.name] == f"{tmp_path / FILE_NAME}, line {number}"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    written(tmp_path, "port = 1\nworkers = 2\nwork_seconds = 1\n")
    found = effective_settings({f"{PREFIX}PORT": "3"}, tmp_path)
    assert found.settings == Settings(port=3, workers=2, work_seconds=1.0)
    assert found.origins["port"] == f"{PREFIX}PORT"
    assert found.origins["workers"] == f"{tmp_path / FILE_NAME}, line 2"
    assert found.origins["host"] == "default"


def test_a_named_file_is_read_instead_of_the_one_in_the_working_folder(tmp_path: Path) -> None:
    written(tmp_path, "port = 1\n")
    (tmp_path / "etc").mkdir()
    other = written(tmp_path / "etc", 'data_dir = "data"\n', "shop.toml")
    found = load_settings({FILE_VARIABLE: str(other)}, tmp_path)
    assert found == Settings(data_dir=tmp_path / "etc" / "data")  # it starts where the file is
    with pytest.raises(SettingsError, match=r"absent\.toml: cannot be read: No such file"):
        load_settings({FILE_VARIABLE: str(tmp_path / "absent.toml")}, tmp_path)


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '# of a shop\nport = "80"\nprot = 1\nworkers = 0\nthreads = true\n'
        'journal_fsync = "often"\nkey_rate = 1.5\n\n[journal]\nfsync = "always"\n',
    )
    environment = {f"{PREFIX}CONSOLE_PORT": "65536", f"{PREFIX}REFRESH_SECONDS": "soon"}
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, tmp_path)
    assert caught.value.problems == (
        f"{path}, line 2: port must be a whole number",
        f"{path}, line 3: prot is not a setting",
        f"{path}, line 4: workers must be at least 1",
        f"{path}, line 5: threads must be a whole number",
        f"{path}, line 6: journal_fsync must be background or always",
        f"{path}, line 7: key_rate must be a whole number",
        f"{path}, line 9: journal is not a setting",
        f"{PREFIX}CONSOLE_PORT must be at most 65535",
        f"{PREFIX}REFRESH_SECONDS must be a number",
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"port = ", r"Invalid value \(at .*line 1|end of document"), (b"\xff", "UTF-8")],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(SettingsError, match=why):
        load_settings({}, tmp_path)


def test_every_setting_is_documented() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    section = readme.partition("\n## Settings\n")[2].partition("\n## ")[0]
    documented = set(re.findall(rf"`{PREFIX}([A-Z_]+)`", section))
    assert documented == {f.name.upper() for f in fields(Settings)} | {"CONFIG"}
    default = Settings()
    for row in re.findall(r"^\| (`.*) \| (.*) \| .* \|$", section, re.MULTILINE):
        names = re.findall(rf"`{PREFIX}([A-Z_]+)`", row[0])
        values = re.findall(r"`([^`]+)`", row[1])
        told = [str(getattr(default, name.lower(), FILE_NAME)) for name in names]
        if all(told):  # those that depend on another setting are described in words
            assert values == told


def test_addresses_are_those_of_web_servers() -> None:
    for name in ("CONSOLE_URL", "SERVICE_URL", "SHOP_URL"):
        for wrong in ("shop.example", "ftp://x", "https://", "https://a b", "https://x/?q=1"):
            with pytest.raises(SettingsError, match=f"{PREFIX}{name} must begin with http"):
                load_settings({f"{PREFIX}{name}": wrong})
        for right in ("", "https://shop.example", "http://10.0.0.1:8080/offers/"):
            load_settings({f"{PREFIX}{name}": right})


def test_where_people_and_shops_reach_it() -> None:
    found = Settings(host="0.0.0.0", port=1, console_host="::", console_port=2)  # noqa: S104
    assert (found.service_address, found.console_address) == (
        "http://127.0.0.1:1",
        "http://[::1]:2",
    )
    found = Settings(service_url="https://offers.example/", console_url="https://c.example/x/")
    assert found.service_address == "https://offers.example"
    assert found.console_address == "https://c.example/x"
