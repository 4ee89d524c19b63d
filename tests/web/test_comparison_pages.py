from __future__ import annotations

import csv
import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import StrictUndefined

from bandit_platform.errors import NotFoundError
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.web.console.overview import console_blueprint
from bandit_platform.web.console.policies import policies_blueprint
from bandit_platform.web.console.segments import segments_blueprint
from tests.dashboards.fake_comparisons import rich_whole, whole_reports
from tests.web.test_console_views import Markup

KEY = "confirmation-page"
REPORTS = {report.experiment: report for report in whole_reports()}
ADDRESSES = [f"/experiments/{key}/{name}" for key in REPORTS for name in ("policies", "segments")]


def _report(key: str) -> ExperimentReport:
    if key not in REPORTS:
        raise NotFoundError(key)
    return REPORTS[key]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask("comparisons-under-test")
    app.jinja_env.undefined = StrictUndefined
    app.testing = True
    app.register_blueprint(console_blueprint(lambda: list(REPORTS.values()), _report))
    app.register_blueprint(policies_blueprint(_report))
    app.register_blueprint(segments_blueprint(_report))
    return app.test_client()


def page(client: FlaskClient, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return response.text


@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_obey_the_content_policy_and_their_references_lead_somewhere(
    client: FlaskClient, address: str
) -> None:
    tags = Markup(page(client, address)).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert tag not in {"style", "iframe", "img", "b", "i"}
        for name in ("aria-describedby", "aria-labelledby", "popovertarget", "data-figure"):
            assert attributes.get(name, ids[0]) in ids, attributes


def test_nothing_a_user_wrote_becomes_markup(client: FlaskClient) -> None:
    policies = page(client, "/experiments/nasty/policies?baseline=uniform")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in policies
    for text in (policies, page(client, "/experiments/nasty/segments")):
        assert "<script>alert" not in text
        assert "<img" not in text


def test_the_choice_of_a_baseline_stands_in_the_address(client: FlaskClient) -> None:
    text = page(client, f"/experiments/{KEY}/policies?baseline=uniform&level=together")
    assert "Uplift over every arm equally likely" in text
    assert "all intervals hold together" in text
    chosen = re.findall(r'<option value="([^"]+)" selected', text)
    assert chosen == ["uniform", "together"]
    plain = page(client, f"/experiments/{KEY}/policies")
    assert "each interval holds for its own policy" in plain
    assert "Uplift over nothing" in plain


def test_every_policy_is_on_the_page_and_arms_are_said_to_be_no_comparison(
    client: FlaskClient,
) -> None:
    text = page(client, f"/experiments/{KEY}/policies")
    named = [each["data-policy"] for _, each in Markup(text).tags if "data-policy" in each]
    assert sorted(str(name) for name in named) == sorted(r.name for r in rich_whole().policies)
    assert "not corrected for picking the best" in text
    assert "Not comparable across arms while a policy learns" in text


def test_the_overview_leads_to_both_pages(client: FlaskClient) -> None:
    text = page(client, f"/experiments/{KEY}")
    for name in ("policies", "segments"):
        assert f'href="/experiments/{KEY}/{name}"' in text
    assert 'id="programme-figure"' in text
    assert 'id="leaderboard"' not in text


def test_figures_on_the_page_are_the_reports(client: FlaskClient) -> None:
    report = rich_whole()
    text = page(client, f"/experiments/{KEY}/policies?baseline=logging")
    for pair in report.pairwise:
        if pair.baseline == "logging":
            assert f'data-lower="{pair.uplift.lower}" data-upper="{pair.uplift.upper}"' in text
    (field, _) = report.segments
    segments = page(client, f"/experiments/{KEY}/segments?by=country&policy=logging")
    for row in field.rows:
        if row.policy == "logging" and row.verdict == "ok":
            assert f'value="{row.corrected.value}"' in segments
            assert f'data-lower="{row.corrected.lower}"' in segments


def test_a_segment_that_cannot_be_evaluated_is_grey_with_its_reason(client: FlaskClient) -> None:
    text = page(client, f"/experiments/{KEY}/segments")
    tags = Markup(text).tags
    grey = [each["data-segment"] for _, each in tags if each.get("class") == "grey"]
    assert grey == ["<b>FR</b>"]
    assert "the effective sample size is 4.0 rows of 300" in text
    assert "corrected for the 7 segments" in text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("checkout-insurance/policies", "Policies appear when the first decisions have matured"),
        ("cart-upsell/policies", "Their values stay hidden"),
        ("checkout-insurance/segments", "No decision has matured yet"),
        (f"{KEY}/segments?by=cart_value", "120 more are needed"),
        (f"{KEY}/segments?by=colour", "There is no field colour here."),
        (f"{KEY}/policies?baseline=x%22%3E", "There is no policy x&#34;&gt; here."),
    ],
)
def test_empty_states_and_vain_wishes_say_what_is_the_matter(
    client: FlaskClient, address: str, words: str
) -> None:
    assert words in page(client, f"/experiments/{address}")


def test_the_table_of_segments_is_a_file(client: FlaskClient) -> None:
    response = client.get(f"/experiments/{KEY}/segments.csv?by=country&policy=serving")
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="{KEY}-by-country.csv"'
    )
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert rows[3]["segment"] == "'=cmd()"
    assert client.get(f"/experiments/{KEY}/segments").headers["Content-Security-Policy"]


def test_an_unknown_experiment_is_not_found(client: FlaskClient) -> None:
    for name in ("policies", "segments", "segments.csv"):
        assert client.get(f"/experiments/nobody/{name}").status_code == 404
