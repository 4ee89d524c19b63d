from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from bandit_platform.ope import DecisionLog, RewardRange, evaluate
from bandit_platform.services.evaluation.evaluation_page import page
from bandit_platform.services.reporting.rounding import interval_decimals, rounded

EVIL = "</script><script>alert(1)</script>"


def report():
    rng = np.random.default_rng(0)
    arm = rng.integers(0, 3, 3000)
    log = DecisionLog(
        arms=("a", EVIL, "nothing"),
        arm=arm,
        propensity=np.full(3000, 1 / 3),
        reward=(rng.random(3000) < 0.1 + 0.1 * arm).astype(float),
        context=pd.DataFrame({"kind": rng.choice(["new", "<b>old</b>"], 3000)}),
    )
    return evaluate(
        log,
        ["always:a", f"always:{EVIL}", "always:nothing"],
        reward_range=RewardRange(low=0, high=1),
        by=["kind"],
    )


def test_the_page_stands_alone_and_has_its_plots() -> None:
    html = page(report())
    body = html[html.index("</head>") :]
    assert not re.search(r"(src|href)=", body)
    assert "Plotly" in html
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', body, re.DOTALL).group(1))
    assert set(figures) == {"values", "uplifts", "over-time", "weights", "segments"}
    for key in figures:
        assert f'id="{key}"' in body


def test_names_from_the_log_stay_text() -> None:
    html = page(report())
    body = html[html.index("</head>") :]
    assert "<script>alert" not in body
    assert "<b>old" not in body
    assert "&lt;b&gt;old" in body


def test_numbers_are_rounded_by_their_interval_and_judged_in_words_and_shapes() -> None:
    made = report()
    body = page(made)
    body = body[body.index("</head>") : body.index('id="figures"')]
    assert "3,000 decisions" in body
    assert not re.search(r">-\d", body)  # a real minus sign
    one = made.policies[0]
    decimals = interval_decimals(one.uplift.estimate.lower, one.uplift.estimate.upper)
    assert f">{rounded(one.uplift.estimate.value, decimals, sign=True)}<span" in body
    assert "the baseline" in body
    assert re.search(r'class="verdict (ok|caution|cannot-evaluate)">. ', body)
