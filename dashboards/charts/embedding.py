"""Figures and colours as JSON that is safe inside a page."""

from __future__ import annotations

import json

import plotly.graph_objects as go
from markupsafe import Markup

from dashboards.charts.palette import dark_colours

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"}


def figure_json(figure: go.Figure) -> Markup:
    """The figure for ``<script type="application/json">``; no text in it can end the element."""
    return _safe(figure.to_json())


def dark_colours_json() -> Markup:
    """Light colour → dark colour, for the script that draws."""
    return _safe(json.dumps(dark_colours()))


def _safe(text: str) -> Markup:
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 # every character that HTML reads is escaped above
