from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import StrictUndefined

from bandit_platform.errors import NotFoundError
from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.web.console.overview import console_blueprint
from tests.dashboards.fake_reports import all_reports, draft, nasty, rich


def client_for(reports: Sequence[ExperimentReport]) -> FlaskClient:
    by_key = {report.experiment: report for report in reports}

    def report(key: str) -> ExperimentReport:
        if key not in by_key:
            raise NotFoundError(f"no experiment {key}")
        return by_key[key]

    app = Flask("console-under-test")
    app.jinja_env.undefined = StrictUndefined
    app.testing = True
    app.register_blueprint(
        console_blueprint(
            lambda: list(by_key.values()),
            report,
            reward_window=lambda _: timedelta(days=7),
            service_url="http://shop.test/",
        )
    )
    return app.test_client()


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return client_for(all_reports())


class Markup(HTMLParser):
    """What a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def page(client: FlaskClient, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.text


ADDRESSES = ["/", *(f"/experiments/{report.experiment}" for report in all_reports())]


@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_obey_a_strict_content_policy(client: FlaskClient, address: str) -> None:
    markup = Markup(page(client, address))
    for tag, attributes in markup.tags:
        assert not [name for name in attributes if name.startswith("on")], attributes
        assert "style" not in attributes, (tag, attributes)
        assert tag not in {"style", "iframe", "object", "embed", "base"}
        if tag == "script":
            assert "src" in attributes or attributes["type"] == "application/json"
        for name in ("src", "href"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), attributes
    policy = client.get(address).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("address", ADDRESSES)
def test_ids_are_unique_and_references_lead_somewhere(client: FlaskClient, address: str) -> None:
    tags = Markup(page(client, address)).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        for name in ("aria-describedby", "aria-labelledby", "popovertarget", "data-figure"):
            assert attributes.get(name, ids[0]) in ids, attributes


def test_nothing_a_user_wrote_becomes_markup(client: FlaskClient) -> None:
    for address in ("/", "/experiments/nasty"):
        text = page(client, address)
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "<b>cart</b>" not in text
        assert not [tag for tag, _ in Markup(text).tags if tag in {"img", "b", "i"}]
    assert "&lt;script&gt;alert(4)&lt;/script&gt;" in page(client, "/experiments/nasty")
    assert "{{ 7*7 }}" in page(client, "/experiments/nasty")


def test_an_unknown_experiment_is_a_page_with_a_way_on(client: FlaskClient) -> None:
    response = client.get("/experiments/<script>no")
    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "&lt;script&gt;no" in response.text
    assert "bandit-platform experiment list" in response.text


def test_the_finding_stands_first_and_in_full(client: FlaskClient) -> None:
    text = page(client, "/experiments/confirmation-page")
    assert rich().finding in text
    assert text.index(rich().finding) < text.index("headlines")
    assert "Better than nothing" in text
    assert "22 Nov 2026, 10:15 GMT" in text
    assert "Europe/London" in text


def test_the_policies_in_short_and_every_count_are_on_the_page(client: FlaskClient) -> None:
    report = rich()
    tags = Markup(page(client, f"/experiments/{report.experiment}")).tags
    named = [attributes["data-policy"] for _, attributes in tags if "data-policy" in attributes]
    assert sorted(str(name) for name in named) == ["always:nothing", "logging", "serving"]
    counts = {
        str(attributes["data-count"]): attributes["value"]
        for _, attributes in tags
        if "data-count" in attributes
    }
    assert counts["decisions"] == str(report.counts.decisions)
    assert counts["reason-fallback"] == "27"
    assert counts["event-purchase"] == "22020"
    assert counts["other_currency"] == "12"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("checkout-insurance", "bandit-platform experiment start checkout-insurance"),
        ("thank-you-survey", "curl http://shop.test/v1/experiments/thank-you-survey"),
        ("payment-instalments", "none can mature before 29 Nov 2026, 08:15 GMT"),
        ("cart-upsell", "Their values stay hidden"),
        ("nasty", "bandit-platform experiment resume nasty"),
    ],
)
def test_empty_states_say_what_mends_them(client: FlaskClient, key: str, words: str) -> None:
    text = page(client, f"/experiments/{key}").replace("&#34;", '"').replace("&#39;", "'")
    assert words in text


def test_an_experiment_that_collects_shows_no_numbers_for_policies(client: FlaskClient) -> None:
    text = page(client, "/experiments/cart-upsell")
    assert 'id="policies-short"' not in text
    assert 'id="uplift-figure"' not in text
    assert "collecting data" in text


def test_the_list_has_a_row_per_experiment_in_the_order_given(client: FlaskClient) -> None:
    tags = Markup(page(client, "/")).tags
    rows = [
        attributes["data-experiment"] for _, attributes in tags if "data-experiment" in attributes
    ]
    assert rows == [report.experiment for report in all_reports()]


def test_an_empty_list_says_how_to_begin() -> None:
    assert "bandit-platform experiment apply" in page(client_for([]), "/")
    assert "bandit-platform experiment apply" not in page(client_for([draft()]), "/")


def test_static_files_have_addresses_that_change_with_their_content(client: FlaskClient) -> None:
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page(client, "/experiments/nasty"))
    assert len(addresses) >= 5
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]
        assert "max-age=31536000" in response.headers["Cache-Control"]
        stale = client.get(address.split("?")[0])
        assert stale.headers["Cache-Control"] == "no-cache"


def test_static_files_are_packed_and_validated_on_request(client: FlaskClient) -> None:
    plain = client.get("/static/plotly.min.js")
    packed = client.get("/static/plotly.min.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data) / 2
    assert packed.headers["ETag"] != plain.headers["ETag"]
    again = client.get("/static/plotly.min.js", headers={"If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304


def test_unknown_static_files_and_paths_out_of_the_folder_are_not_found(
    client: FlaskClient,
) -> None:
    for name in ("nope.js", "..%2Fpalette.py", "../palette.py", "experiment.html"):
        assert client.get(f"/static/{name}").status_code == 404


def test_our_files_win_over_an_application_with_a_static_folder_of_its_own() -> None:
    app = Flask("with-static", static_folder="static")
    app.register_blueprint(console_blueprint(list, lambda _: nasty()))
    assert app.test_client().get("/static/dashboard.css").status_code == 200
