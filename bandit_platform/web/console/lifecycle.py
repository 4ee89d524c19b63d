"""The checklist before the start, and the steps of an experiment's life."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.lifecycle import Action, State, possible_actions
from bandit_platform.errors import NotFoundError, StateError, UnreadableError
from bandit_platform.services.launching.launch import Launch, launch
from bandit_platform.storage.experiments import StoredExperiment
from bandit_platform.web.console.setup_form import tried_context
from bandit_platform.web.console.try_out import TryOut, try_out
from bandit_platform.web.viewer import viewer
from dashboards.setup.launch_page import STANDING, example_commands, step, steps
from dashboards.setup.preview_page import preview_page


def add_lifecycle(
    pages: Blueprint, platform: Platform, service_url: str, shop_url: str = ""
) -> None:
    """The pages where a draft is checked and steps are taken.

    Args:
        pages: the setup blueprint.
        platform: what takes the steps.
        service_url: where shops ask for decisions, for test decisions and commands.
        shop_url: a shop's page where experiments can be tried; empty where there is none.
    """

    def listed(key: str) -> Launch | None:
        draft = platform.experiments.get(key).state is State.DRAFT
        return launch(platform.database, key, platform.clock()) if draft else None

    def page(stored: StoredExperiment, *, refusal: str = "", tried: TryOut | None = None) -> str:
        return render_template(
            "dashboards/setup_launch.html",
            stored=stored,
            standing=STANDING[stored.state],
            steps=steps(stored.state),
            launch=listed(stored.spec.key),
            shop=_shop_page(shop_url, stored),
            commands=example_commands(stored.spec, service_url),
            fields=preview_page(stored.spec, request.form).fields,
            refusal=refusal,
            tried=tried,
        )

    @pages.get("/experiments/<key>/setup/launch")
    def launch_page(key: str) -> str:
        return page(platform.experiments.get(key))

    @pages.post("/experiments/<key>/setup/try")
    def try_it(key: str) -> Response:
        stored = platform.experiments.get(key)
        if stored.state is not State.DRAFT:
            refusal = "Nothing was sent: it has been started, so its decisions count."
            return make_response(page(stored, refusal=refusal), 409)
        done = try_out(
            service_url,
            request.form.get("shop_key", "").strip(),
            stored.spec,
            tried_context(stored.spec, dict(request.form)),
        )
        return make_response(page(stored, tried=done), 200 if done.sent else 422)

    @pages.get("/experiments/<key>/setup/steps/<action>")
    def confirm(key: str, action: str) -> Response:
        stored, wanted = platform.experiments.get(key), _action(action)
        if wanted not in possible_actions(stored.state):
            refusal = f"This experiment is {stored.state}, so that step is not possible any more."
            return make_response(page(stored, refusal=refusal), 409)
        return make_response(
            render_template("dashboards/setup_step.html", stored=stored, step=step(wanted))
        )

    @pages.post("/experiments/<key>/setup/steps/<action>")
    def take_step(key: str, action: str) -> Response:
        wanted = _action(action)
        try:
            stored = platform.experiments.get(key)
        except UnreadableError:  # what cannot be read has no page, and can be stopped all the same
            platform.change_state(key, wanted, by=viewer().actor)
            return redirect(url_for("console.experiments"), 303)
        found = listed(key) if wanted is Action.START else None
        if found is not None and found.blockers:
            refusal = "It was not started: " + _open(found)
            return make_response(page(stored, refusal=refusal), 409)
        try:
            platform.change_state(key, wanted, by=viewer().actor)
        except StateError:
            refusal = f"This experiment is {stored.state}, so that step is not possible any more."
            return make_response(page(stored, refusal=refusal), 409)
        return redirect(url_for("setup.launch_page", key=key), 303)


def _shop_page(shop_url: str, stored: StoredExperiment) -> str:
    """Where the experiment can be met as shoppers meet it; empty where it cannot."""
    answers = stored.state in {State.DRAFT, State.RUNNING, State.PAUSED}
    return f"{shop_url}?experiment={stored.spec.key}" if shop_url and answers else ""


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise NotFoundError("there is no such step") from None


def _open(found: Launch) -> str:
    names = [check.label[:1].lower() + check.label[1:] for check in found.blockers]
    count = "one check is" if len(names) == 1 else f"{len(names)} checks are"
    return f"{count} open ({'; '.join(names)})."
