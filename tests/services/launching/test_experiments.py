from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.lifecycle import Action, State
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.errors import InputError, LockedError, NotFoundError, SpecError, StateError
from bandit_platform.services.launching.spec_files import read_spec_files

KEY = "checkout-offers"


def revisions(world: Any) -> int:
    return int(world.one("SELECT count(*) FROM revision"))


def test_applying_creates_a_draft_and_applying_again_changes_nothing(world: Any, spec: Any) -> None:
    first = world.experiments.apply(spec)
    assert (first.experiment, first.state, first.revision, first.outcome, first.changes) == (
        KEY,
        State.DRAFT,
        1,
        "created",
        (),
    )
    world.clock.advance(60)
    second = world.experiments.apply(spec)
    assert (second.outcome, second.revision, second.changes) == ("unchanged", 1, ())
    assert revisions(world) == 1


def test_a_changed_file_is_a_new_revision_with_its_differences(
    world: Any, spec: Any, spec_text: str
) -> None:
    world.launch(spec)
    applied = world.experiments.apply(
        parse_toml(spec_text.replace("floor = 0.1", "floor = 0.2").replace("12.0", "14.0"))
    )
    assert (applied.outcome, applied.revision, applied.state) == ("changed", 2, State.RUNNING)
    assert {str(change) for change in applied.changes} == {
        "~ policy.floor: 0.1 → 0.2",
        "~ arms.upgrade.features.margin: 12.0 → 14.0",
    }
    stored = world.experiments.get(KEY)
    assert stored.revision == 2
    assert stored.spec.policy.floor == 0.2
    assert revisions(world) == 2
    assert world.one("SELECT spec FROM revision WHERE number = 1") == spec.to_json()


def test_a_started_experiment_keeps_what_its_numbers_mean(
    world: Any, spec: Any, spec_text: str
) -> None:
    world.apply(spec)
    draft = world.experiments.apply(parse_toml(spec_text.replace("accept = 1.0", "accept = 0.5")))
    assert draft.outcome == "changed"
    world.experiments.change_state(KEY, Action.START)
    lower = spec_text.replace("accept = 1.0", "accept = 0.5")
    locked = {
        "reward.accept": spec_text,
        "holdout.share": lower.replace("share = 0.1", "share = 0.2"),
    }
    for path, text in locked.items():
        with pytest.raises(LockedError, match=f"has been started and cannot change {path} "):
            world.experiments.apply(parse_toml(text))
    assert revisions(world) == 2
    world.change("pause")
    with pytest.raises(LockedError):
        world.experiments.apply(spec)


@pytest.mark.parametrize("steps", [("start", "stop"), ("archive",)])
def test_an_experiment_that_ended_does_not_change(
    world: Any, spec: Any, spec_text: str, steps: tuple[str, ...]
) -> None:
    world.apply(spec)
    for step in steps:
        world.change(step)
    with pytest.raises(StateError, match="cannot change checkout-offers: it is"):
        world.experiments.apply(parse_toml(spec_text.replace("floor = 0.1", "floor = 0.2")))
    assert world.experiments.apply(spec).outcome == "unchanged"
    assert revisions(world) == 1


def test_starting_and_stopping_have_their_moments(world: Any, spec: Any) -> None:
    world.apply(spec)
    assert world.experiments.get(KEY).started_at is None
    started = world.clock.advance(10)
    world.change("start")
    for step in ("pause", "resume"):
        world.clock.advance(10)
        world.change(step)
    stopped = world.clock.advance(10)
    world.change("stop")
    stored = world.experiments.get(KEY)
    assert (stored.started_at, stored.stopped_at) == (started, stopped)


def test_a_wrong_step_says_which_are_possible(world: Any, spec: Any) -> None:
    world.apply(spec)
    with pytest.raises(StateError, match="cannot pause an experiment that is draft; possible: "):
        world.experiments.change_state(KEY, Action.PAUSE)
    assert world.experiments.get(KEY).state is State.DRAFT
    with pytest.raises(NotFoundError):
        world.experiments.change_state("another", Action.START)
    with pytest.raises(NotFoundError):
        world.experiments.get("another")


def test_experiments_are_listed_by_key(world: Any, spec: Any, spec_text: str) -> None:
    world.apply(spec)
    world.apply(spec_text.replace("checkout-offers", "a-cart"))
    assert [each.spec.key for each in world.experiments.all()] == ["a-cart", KEY]


def test_files_are_read_alone_or_from_their_folder(
    tmp_path: Path, spec: Any, spec_text: str
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "experiment.toml").write_text(spec_text)
    other = tmp_path / "other.toml"
    other.write_text(spec_text.replace("checkout-offers", "other"))
    found = read_spec_files([tmp_path / "one", other])
    assert found[0] == spec
    assert found[1].key == "other"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.toml: there is no such file"):
        read_spec_files([tmp_path / "missing.toml"])
    with pytest.raises(InputError, match=r"experiment\.toml: there is no such file"):
        read_spec_files([tmp_path])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml: cannot be read as text"):
        read_spec_files([tmp_path / "binary.toml"])
    (tmp_path / "broken.toml").write_text("key = ")
    with pytest.raises(SpecError, match=r"broken\.toml: is not valid TOML"):
        read_spec_files([tmp_path / "broken.toml"])


def test_the_problems_of_every_file_are_told_at_once(tmp_path: Path, spec_text: str) -> None:
    good, low, wide = (tmp_path / name for name in ("good.toml", "low.toml", "wide.toml"))
    good.write_text(spec_text)
    low.write_text(
        spec_text.replace("floor = 0.1", "floor = 0.0").replace("share = 0.1", "share = 2")
    )
    wide.write_text(spec_text.replace("range = [-1.0, 2.0]", "range = [2.0, -1.0]"))
    with pytest.raises(SpecError) as got:
        read_spec_files([low, good, wide])
    listed = [str(problem) for problem in got.value.problems]
    assert [each.rsplit(": ", 1)[0] for each in listed] == [
        f"{low}: policy.floor",
        f"{low}: holdout.share",
        f"{wide}: reward.range",
    ]


def test_two_files_may_not_describe_one_experiment(tmp_path: Path, spec_text: str) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(spec_text)
    two.write_text(spec_text.replace("floor = 0.1", "floor = 0.2"))
    with pytest.raises(InputError, match="two files describe checkout-offers"):
        read_spec_files([one, two])


def test_of_several_specs_all_or_none_are_applied(world: Any, spec: Any, spec_text: str) -> None:
    world.launch(spec)
    another = parse_toml(spec_text.replace("checkout-offers", "another"))
    changed = parse_toml(spec_text.replace("floor = 0.1", "floor = 0.2"))
    locked = parse_toml(spec_text.replace("share = 0.1", "share = 0.2"))
    with pytest.raises(LockedError, match="checkout-offers has been started"):
        world.experiments.apply_all([another, locked])
    assert [each.spec.key for each in world.experiments.all()] == [KEY]
    applied = world.experiments.apply_all([another, changed])
    assert [(each.experiment, each.outcome) for each in applied] == [
        ("another", "created"),
        (KEY, "changed"),
    ]
