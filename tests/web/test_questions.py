"""Questions in the console and over HTTP: asked, followed, read, taken away."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from bandit_platform.domain.access import Role
from bandit_platform.domain.actor import Actor
from bandit_platform.domain.question import Question
from bandit_platform.ope.evaluating.plan import Options
from tests.web.furnished import EVIL, TAG, answer_all

KEY = "checkout-offers"
ASKED = {
    "experiment": KEY,
    "policy": ["uniform", "always:insurance"],
    "estimator": ["ips", "snips"],
    "alpha": "0.05",
}
BODY = {"experiment": KEY, "policies": ["uniform", "always:insurance"], "estimators": ["ips"]}


def ask(client: Any, **changed: Any) -> str:
    """The address of a question that was just asked."""
    answer = client.post("/questions/new", data={**ASKED, **changed})
    assert answer.status_code == 303, answer.text
    address: str = answer.headers["Location"]
    return address


def cells(page: str) -> dict[str, dict[str, Any]]:
    """Policy → cell → (value, lower, upper) as they stand exactly in the table."""
    found: dict[str, dict[str, Any]] = {}
    for row in re.findall(r'<tr data-policy="([^"]+)">(.*?)</tr>', page, re.DOTALL):
        found[row[0]] = found.get(row[0], {}) | {
            name: tuple(map(float, numbers))
            for name, *numbers in re.findall(
                r'data-cell="([^"]+)"[^>]*><data class="value" value="([^"]+)">[^<]*</data>\s*'
                r'<span class="bounds" data-lower="([^"]+)" data-upper="([^"]+)"',
                row[1],
            )
        }
    return found


def test_a_question_is_asked_left_and_answered(full: Any, ana: Any) -> None:
    address = ask(ana)
    waiting = ana.get(address).text
    assert "Waiting for the worker" in waiting
    assert "<progress" in waiting
    assert ana.get(f"{address}/progress").json == {"state": "queued", "percent": 0}
    assert "waiting" in ana.get("/questions/").text
    answer_all(full)
    assert ana.get(f"{address}/progress").json == {"state": "done", "percent": 100}
    page = ana.get(address).text
    assert 'id="finding"' in page
    assert "Ask again with today" in page
    assert "data-figure" in page
    assert full.platform.questions.newest()[0].headline[:20] in ana.get("/questions/").text


def test_the_pages_figures_are_the_commands(full: Any, ana: Any) -> None:
    address = ask(ana, by="country")
    answer_all(full)
    page = ana.get(address).text
    shown = cells(page)
    result = ana.get(f"{address}/result.json").json
    options = Options(estimators=("ips", "snips"), by=("context.country",))
    command = full.platform.evaluate(KEY, ASKED["policy"], options).to_dict(over_time=True)
    assert result == json.loads(json.dumps(command))
    for one in command["policies"]:
        for name, estimate in one["estimates"].items():
            wanted = (estimate["value"], estimate["lower"], estimate["upper"])
            assert shown[one["policy"]][name] == wanted
        uplift = one["uplift"]
        wanted = (uplift["value"], uplift["lower"], uplift["upper"])
        assert shown[one["policy"]]["uplift"] == wanted
    assert (
        "bandit-platform evaluate --live checkout-offers --policy uniform --policy "
        "always:insurance --estimator ips,snips --to 2026-" in page
    )


def test_the_tables_hold_the_same_numbers(full: Any, ana: Any) -> None:
    address = ask(ana, by="country")
    answer_all(full)
    result = ana.get(f"{address}/result.json").json
    answer = ana.get(f"{address}/result.csv")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    values = {
        (row["policy"], row["estimator"]): row
        for row in rows
        if row["what"] == "value" and not row["segment"]
    }
    for one in result["policies"]:
        for name, estimate in one["estimates"].items():
            row = values[one["policy"], name]
            assert float(row["value"]) == estimate["value"]
            assert float(row["lower"]) == estimate["lower"]
            assert row["interval"] == estimate["interval"]
    parquet = pytest.importorskip("pyarrow.parquet", reason="comes with the parquet extra")
    table = parquet.read_table(io.BytesIO(ana.get(f"{address}/result.parquet").data)).to_pylist()
    assert [row["value"] for row in table] == [
        float(row["value"]) if row["value"] else None for row in rows
    ]
    over_time = list(csv.DictReader(io.StringIO(ana.get(f"{address}/over-time.csv").text)))
    assert {row["policy"] for row in over_time} == set(ASKED["policy"])
    assert all(row["moment"].endswith("+00:00") for row in over_time)  # never to be guessed


def test_without_the_extra_parquet_says_what_to_install(
    full: Any, ana: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = ask(ana)
    answer_all(full)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = ana.get(f"{address}/result.parquet")
    assert answer.status_code == 501
    assert "pip install 'bandit-platform[parquet]'" in answer.text


def test_what_callers_sent_stays_text_everywhere(full: Any, ana: Any) -> None:
    address = ask(ana, by="country")
    answer_all(full)
    page = ana.get(address).text
    assert "onerror" in page
    assert TAG not in page
    levels = {
        row["level"] for row in csv.DictReader(io.StringIO(ana.get(f"{address}/result.csv").text))
    }
    assert f"'{EVIL}" in levels
    assert EVIL not in levels
    html = ana.get(f"{address}/report.html").text
    assert TAG not in html[html.index("</head>") :]
    figures = re.search(r'id="figures">(.*?)</script>', html, re.DOTALL)
    assert figures is not None
    assert "<img" not in json.dumps(json.loads(figures[1]))


def test_the_report_stands_alone(full: Any, ana: Any) -> None:
    address = ask(ana)
    answer_all(full)
    answer = ana.get(f"{address}/report.html")
    body = answer.text[answer.text.index("</head>") :]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert not re.search(r"(src|href)=", body)
    assert "asked by ana" in body


def test_the_form_carries_its_choices_in_the_address(full: Any, ana: Any) -> None:
    page = ana.get(
        f"/questions/new?experiment={KEY}&policy=serving&policy=learn:softmax&estimator=dm"
        "&where=country%3DGB&by=returning&since=2026-11-22&alpha=0.1&baseline=logging"
    ).text
    assert re.findall(r'name="policy" value="([^"]+)" checked', page) == ["serving"]
    assert re.findall(r'name="estimator" value="([^"]+)" checked', page) == ["dm"]
    for chosen in ("softmax", "country", "returning", "logging"):
        assert f'<option value="{chosen}" selected' in page
    assert 'name="where_value" type="text" value="GB"' in page
    assert 'name="since" type="datetime-local" step="1" value="2026-11-22T00:00"' in page
    assert 'name="alpha" type="text" value="0.1"' in page
    fresh = ana.get(f"/questions/new?experiment={KEY}").text
    assert {"logging", "uniform", "serving", "always:nothing"} <= set(
        re.findall(r'name="policy" value="([^"]+)" checked', fresh)
    )
    assert "version:" not in fresh or "learned from the first" in fresh


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"policy": []}, "choose at least one policy"),
        ({"policy": ["version:99"]}, "version:99: is not stored"),
        ({"alpha": "much"}, "give a number such as 0.05"),
        ({"alpha": "2"}, "must be at least 0.000001"),
        ({"since": "2026-11-22T10:00", "until": "2026-11-21T10:00"}, "ends before it begins"),
        ({"where_field": "cart_value", "where_value": "many"}, "a range such as 50..100"),
        ({"where_value": "GB"}, "give FIELD=VALUE"),
        ({"learn": "magic"}, "learn: takes one of"),
    ],
)
def test_mistakes_are_told_beside_their_field(ana: Any, changed: Any, message: str) -> None:
    answer = ana.post("/questions/new", data={**ASKED, **changed})
    assert answer.status_code == 422
    wrong = answer.text[answer.text.index("cannot be asked yet") :]
    assert message in wrong
    assert re.search(r'class="(field|options) wrong"', wrong)
    assert 'name="policy"' in wrong  # the choices are still there


def test_a_version_that_has_seen_everything_is_explained(full: Any, ana: Any) -> None:
    answer = ana.post("/questions/new", data={**ASKED, "policy": ["version:1"]})
    assert answer.status_code == 422
    assert "it has not learned from" in answer.text


def test_a_failed_question_says_why_and_what_to_do(full: Any, ana: Any) -> None:
    address = ask(ana, where_field="country", where_value="nowhere")
    answer_all(full)
    page = ana.get(address).text
    assert "There is no answer" in page
    assert "choose a longer period or other conditions" in page
    assert "Only decisions with country=nowhere." in page
    assert "only country=nowhere" in ana.get("/questions/").text
    assert f"/questions/new?experiment={KEY}&amp;policy=uniform" in page
    assert ana.get(f"{address}/result.csv").status_code == 404


def test_a_question_can_be_cancelled_and_asked_again(full: Any, ana: Any) -> None:
    address = ask(ana)
    assert ana.post(f"{address}/cancel").headers["Location"] == address
    assert "given up" in ana.get(address).text
    again = ana.post(f"{address}/again").headers["Location"]
    assert again != address
    answer_all(full)
    assert "Take it away" in ana.get(again).text


def test_only_who_asked_and_administrators_end_a_question(
    full: Any, ana: Any, console_as: Callable[..., FlaskClient]
) -> None:
    address = ask(ana)
    ben = console_as(Role.EXPERIMENTER, "ben")
    page = ben.get(address).text
    assert "ana or an administrator can cancel it" in page
    assert f"{address}/cancel" not in page
    for act in ("cancel", "remove"):
        refused = ben.post(f"{address}/{act}")
        assert refused.status_code == 403
        assert "ana asked this question" in refused.text
    answer_all(full)
    assert f"{address}/remove" not in ben.get(address).text
    assert f"{address}/remove" in ana.get(address).text
    assert console_as(Role.ADMIN, "ada").post(f"{address}/remove").status_code == 303
    assert ana.get(address).status_code == 404


def test_the_pages_say_how_long_questions_are_kept(full: Any, ana: Any) -> None:
    address = ask(ana)
    answer_all(full)
    assert "Kept for 180 days" in ana.get(address).text
    assert "kept for 180 days" in ana.get("/questions/").text


def test_several_conditions_are_asked_and_come_back_in_the_form(full: Any, ana: Any) -> None:
    address = ask(
        ana,
        where_field=["country", "", "cart_value"],
        where_value=["GB", "", "50..100"],
    )
    (asked,) = full.platform.questions.newest()
    assert asked.question.where == ("country=GB", "cart_value=50..100")
    answer_all(full)
    (variation,) = re.findall(
        r'href="(/questions/new[^"]*)">Ask a variation', ana.get(address).text
    )
    form = ana.get(variation.replace("&amp;", "&")).text
    assert re.findall(r'name="where_value" type="text" value="([^"]*)"', form) == [
        "GB",
        "50..100",
        "",
    ]
    assert re.search(r'<details class="more" open>', form)


def test_versions_that_have_seen_everything_are_not_offered(full: Any, ana: Any) -> None:
    assert full.platform.whole_report(KEY).model_version is not None
    assert 'value="version:' not in ana.get(f"/questions/new?experiment={KEY}").text


def test_too_many_questions_are_told_on_the_form(full: Any, ana: Any) -> None:
    address = ""
    for _ in range(5):
        address = ask(ana)
    answer = ana.post("/questions/new", data=ASKED)
    assert answer.status_code == 409
    assert "of your questions wait" in answer.text
    assert ana.post(f"{address}/again").status_code == 409


def test_unknown_questions_and_files_are_not_found(full: Any, ana: Any) -> None:
    address = ask(ana)
    answer_all(full)
    for path in ("/questions/nothing", f"{address}/secrets.txt", "/questions/new?experiment=none"):
        answer = ana.get(path)
        assert answer.status_code == 404, path
    assert "no such question" in ana.get("/questions/nothing").text


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_only_analysts_ask(full: Any, console_as: Any, role: Role | None) -> None:
    client = console_as(role)
    wanted = 303 if role is None else 403
    assert client.get("/questions/").status_code == wanted
    assert client.get(f"/questions/new?experiment={KEY}").status_code == wanted
    assert full.platform.questions.newest() == []


def test_a_forged_form_asks_nothing(full: Any, ana: Any) -> None:
    assert ana.post("/questions/new", data=ASKED, bare=True).status_code == 400
    assert full.platform.questions.newest() == []


def test_someone_elses_question_can_be_read(full: Any, ana: Any) -> None:
    question_id = full.platform.questions.ask(
        Question(experiment=KEY, policies=("uniform",)), Actor(kind="user", name="<b>ben</b>")
    )
    page = ana.get(f"/questions/{question_id}").text
    assert "&lt;b&gt;ben" in page
    assert "<b>ben" not in page
