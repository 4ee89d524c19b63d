"""How long an experiment would have to run: the plan's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, render_template, request

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import InputError
from bandit_platform.services.launching.planning import (
    EventGuess,
    Rewards,
    guessed,
    measured,
    plan,
    traffic,
    usual_uplifts,
    with_data,
)
from bandit_platform.web.console.setup_form import sound_number
from dashboards.setup.plan_page import GUESS, PlanPage, basis, event_fields, plan_rows
from dashboards.setup.spec_notation import number_text, read_list


def add_planning(pages: Blueprint, platform: Platform) -> None:
    """The page that says how long an experiment takes."""

    @pages.get("/experiments/<key>/setup/plan")
    def plan_page(key: str) -> str:
        stored = platform.experiments.get(key)
        page = _page(platform, stored.spec, request.args)
        return render_template("dashboards/setup_plan.html", stored=stored, plan=page)


def _about(pace: float) -> float:
    """A pace as exactly as it is known: two digits."""
    return float(f"{pace:.2g}") if pace >= 100 else float(round(pace))


def _page(platform: Platform, spec: ExperimentSpec, typed: Mapping[str, str]) -> PlanPage:
    borrowed = with_data(platform.database)
    pace = traffic(platform.database, spec, platform.clock())
    source = typed.get("source", spec.key if spec.key in borrowed else GUESS)
    page = PlanPage(
        per_day=typed.get("per_day", number_text(_about(pace)) if pace else ""),
        measured_per_day=f"{_about(pace):,.0f}" if pace else "",
        source=source,
        sources=((GUESS, "my guesses below"), *((key, f"data of {key}") for key in borrowed)),
        events=event_fields(spec, typed),
        uplifts=typed.get("uplifts", ""),
    )
    try:
        rewards = _rewards(platform, spec, typed, source if source in borrowed else GUESS)
        if rewards is None:
            return page
        wanted = [sound_number(each, "Uplifts") for each in read_list(page.uplifts)]
        uplifts = (wanted or usual_uplifts(rewards))[:12]
        per_day = sound_number(page.per_day or "0", "Decisions a day")
        lines = plan(spec, rewards, per_day, uplifts)
    except (InputError, ValueError) as error:
        return replace(page, trouble=f"{error}")
    return replace(page, rows=plan_rows(lines), basis=basis(spec, rewards, source))


def _rewards(
    platform: Platform, spec: ExperimentSpec, typed: Mapping[str, str], source: str
) -> Rewards | None:
    """What was measured or guessed; None before anything was guessed.

    Raises:
        InputError: a guess is no number, or the experiment has too few data.
    """
    if source != GUESS:
        found = measured(platform.database, source)
        if found is None:
            raise InputError(f"{source} has too few interactions yet; guess instead")
        return found
    events = event_fields(spec, typed)
    if not any(event.share.strip() for event in events):
        return None
    guesses = {
        event.name: EventGuess(
            share=sound_number(event.share or "0", event.name) / 100.0,
            amount=sound_number(event.amount or "0", event.name),
        )
        for event in events
    }
    return guessed(spec, guesses)
