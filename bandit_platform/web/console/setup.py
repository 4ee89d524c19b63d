"""Making and changing an experiment, in a form or as TOML."""

from __future__ import annotations

import json
from dataclasses import replace

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.errors import (
    ConflictError,
    ContextError,
    InputError,
    Problem,
    SpecError,
    StaleError,
)
from bandit_platform.services.launching.preview import preview
from bandit_platform.storage.experiments import StoredExperiment
from bandit_platform.web.console.frame import page_blueprint
from bandit_platform.web.console.lifecycle import add_lifecycle
from bandit_platform.web.console.planning import add_planning
from bandit_platform.web.console.setup_form import (
    LARGEST,
    Sent,
    sent,
    tried_arms,
    tried_context,
    tried_moment,
    with_locked,
)
from bandit_platform.web.viewer import viewer
from dashboards.setup.editor import (
    FORM,
    TOML,
    Editor,
    blank_editor,
    editor_of,
    from_form,
    from_toml,
    unchecked,
    with_row,
    without_row,
)
from dashboards.setup.preview_page import PreviewPage, preview_page
from dashboards.setup.review import lock_reasons, review

_BOTH = (
    "Both sides were edited, and they may say different things. Nothing was read yet: choose below "
    "which one counts."
)
_NEW = 0


def setup_blueprint(platform: Platform, service_url: str, shop_url: str = "") -> Blueprint:
    """The pages that make, launch and change experiments.

    Args:
        platform: what knows and changes them.
        service_url: where shops ask for decisions.
        shop_url: a shop's page where experiments can be tried; empty where there is none.
    """
    pages = page_blueprint("setup", __name__)
    pages.url_value_preprocessor(_allow_large_forms)
    add_lifecycle(pages, platform, service_url, shop_url)
    add_planning(pages, platform)
    desk = _Desk(platform)

    @pages.get("/experiments/new")
    def new() -> Response:
        return desk.show(blank_editor(), None)

    @pages.post("/experiments/new")
    def create() -> Response:
        return desk.answer(sent(), None)

    @pages.get("/experiments/<key>/setup")
    def page(key: str) -> Response:
        stored = platform.experiments.get(key)
        return desk.show(editor_of(stored.spec), stored)

    @pages.post("/experiments/<key>/setup")
    def change(key: str) -> Response:
        return desk.answer(sent(), platform.experiments.get(key))

    return pages


def _allow_large_forms(_endpoint: str | None, _values: dict[str, str] | None) -> None:
    request.max_content_length = LARGEST
    request.max_form_memory_size = LARGEST


class _Desk:
    """Answers the forms of the editor; holds no state but the platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def answer(self, given: Sent, stored: StoredExperiment | None) -> Response:
        """What a button of the editor or of the review leads to."""
        if given.do in {"edit", "confirm"}:
            spec = _carried(given.spec, stored)
            if given.do == "confirm":
                return self._save(spec, stored, given)
            return self.show(editor_of(spec), stored, given)
        editor = _edited(given, stored)
        if given.do != "save" or editor.spec is None:
            return self.show(editor, stored, given, status=422 if editor.problems else 200)
        if stored is not None and stored.started_at is not None:
            return self.review(editor.spec, stored, given.based_on)
        return self._save(editor.spec, stored, given)

    def _save(self, spec: ExperimentSpec, stored: StoredExperiment | None, given: Sent) -> Response:
        try:
            applied = self._platform.apply_experiment(
                spec, by=viewer().actor, based_on=given.based_on if stored else _NEW
            )
        except StaleError as error:
            if stored is None:
                return self.show(_key_taken(spec, f"{error}"), None, given, status=409)
            return self.review(spec, stored, given.based_on)
        except ConflictError as error:
            editor = replace(editor_of(spec), notice=f"Nothing was saved: {error}")
            return self.show(editor, stored, given, status=409)
        saved = applied.outcome if applied.outcome != "changed" else applied.revision
        return redirect(url_for("setup.page", key=spec.key, saved=saved), 303)

    def review(
        self,
        spec: ExperimentSpec,
        stored: StoredExperiment,
        based_on: int,
    ) -> Response:
        """The difference, to be looked at before it is saved."""
        meanwhile = self._meanwhile(stored, based_on)
        text = render_template(
            "dashboards/setup_review.html",
            stored=stored,
            spec=spec.to_json(),
            review=review(stored.spec, spec, started=stored.started_at is not None),
            meanwhile=meanwhile,
            based_on=based_on,
        )
        return make_response(text, 409 if meanwhile else 200)

    def _meanwhile(self, stored: StoredExperiment, based_on: int) -> object:
        """What somebody else changed since a page was made; None for nothing."""
        if based_on == stored.revision:
            return None
        earlier = self._platform.experiments.revisions(stored.spec.key)
        base = next((each.spec for each in earlier if each.number == based_on), None)
        return review(base or stored.spec, stored.spec, started=False)

    def show(
        self,
        editor: Editor,
        stored: StoredExperiment | None,
        given: Sent | None = None,
        *,
        status: int = 200,
    ) -> Response:
        """The editor's page."""
        based_on = stored.revision if stored else _NEW
        started = stored is not None and stored.started_at is not None
        text = render_template(
            "dashboards/setup.html",
            editor=editor,
            stored=stored,
            based_on=given.based_on if given and stored else based_on,
            locks=lock_reasons(stored.spec if stored is not None and started else None),
            preview=self._preview(editor.spec, given),
            saved=request.args.get("saved", ""),
            both=editor.notice == _BOTH,
            fine=given is not None and given.do == "check" and editor.spec is not None,
        )
        return make_response(text, status)

    def _preview(self, spec: ExperimentSpec | None, given: Sent | None) -> PreviewPage:
        tried = given.tried if given else {}
        if spec is None or given is None or given.do != "preview":
            return preview_page(spec, tried)
        try:
            moment = tried_moment(spec, tried, self._platform.clock())
            arms = tried_arms(spec, tried)
            found = preview(self._platform.database, spec, tried_context(spec, tried), moment, arms)
        except ContextError as error:
            wrong = {problem.path: problem.message for problem in error.problems}
            return preview_page(spec, tried, errors=wrong)
        return preview_page(spec, tried, found)


def _edited(given: Sent, stored: StoredExperiment | None) -> Editor:
    """The page after what was typed into it, whichever side that was."""
    if stored is not None and stored.started_at is not None:
        fields = with_locked(given.typed.fields, stored.spec)
        given = replace(given, typed=replace(given.typed, fields=fields))
    typed = given.typed
    forced = {"use-form": (FORM,), "use-toml": (TOML,)}.get(given.do)
    sources = forced or typed.sources()
    if sources == (FORM, TOML):
        return Editor(fields=typed.fields, toml=typed.toml, notice=_BOTH, unread=True)
    editor = from_toml(typed.toml, typed.fields) if sources == (TOML,) else None
    button, _, place = given.do.partition(":")
    if button in {"add", "remove"} and not (editor and editor.unplaced):
        fields = editor.fields if editor else typed.fields
        return unchecked((with_row if button == "add" else without_row)(fields, place))
    return _with_the_same_key(editor or from_form(typed.fields), stored)


def _with_the_same_key(editor: Editor, stored: StoredExperiment | None) -> Editor:
    """An experiment's key is its name everywhere, so no change can be another one's."""
    if stored is None or editor.value("key").strip() == stored.spec.key:
        return editor
    problem = Problem(
        path="key",
        message=f"must stay {stored.spec.key}; another key is another experiment",
    )
    return replace(
        editor,
        spec=None,
        errors={**editor.errors, "key": problem.message},
        problems=(problem, *editor.problems),
    )


def _key_taken(spec: ExperimentSpec, message: str) -> Editor:
    problem = Problem(path="key", message=f"{message}; take another key")
    return replace(editor_of(spec), errors={"key": problem.message}, problems=(problem,), spec=None)


def _carried(text: str, stored: StoredExperiment | None) -> ExperimentSpec:
    """The spec that a review carried on.

    Raises:
        InputError: it is none of this experiment.
    """
    try:
        spec = parse_tables(dict(json.loads(text)))
    except (ValueError, TypeError, RecursionError, SpecError):
        raise InputError("the reviewed definition cannot be read; go back and edit again") from None
    if stored is None or spec.key != stored.spec.key:
        raise InputError("the reviewed definition is of another experiment")
    return spec
