"""The page *Deployments* of an experiment, and a page for each step that changes it."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.access import Permission
from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import ConflictError, InputError
from bandit_platform.services.deployments.entries import DeploymentEntry
from bandit_platform.services.reporting.model_history import versions
from bandit_platform.web.console.frame import page_blueprint, told
from bandit_platform.web.viewer import viewer
from dashboards.deployments.page import (
    STEPS,
    DeploymentStep,
    deployment_lines,
    evidence_lines,
    policy_lines,
    possible_steps,
    serves,
)

_OF_A_POLICY = frozenset({"promote", "ramp"})
_ENDED = frozenset({State.STOPPED, State.ARCHIVED})
_LARGEST_NUMBER = 10**9


def deployments_blueprint(platform: Platform) -> Blueprint:
    """The page *Deployments*, and a confirmation page for each step."""
    pages = page_blueprint("deployments", __name__)
    service = platform.deployments

    @pages.get("/experiments/<key>/deployments")
    def page(key: str) -> str:
        stored = platform.experiments.get(key)
        entries = service.deployments(key)
        policies = service.policies(key)
        may_change = viewer().may(Permission.CHANGE) and stored.state not in _ENDED
        return render_template(
            "dashboards/deployments.html",
            stored=stored,
            now=deployment_lines(entries[:1], stored.spec.report.time_zone)[0],
            policies=policy_lines(policies, service.evidences(key), entries[0]),
            steps=possible_steps(entries) if may_change else (),
            may_change=may_change,
            history=deployment_lines(entries, stored.spec.report.time_zone),
        )

    @pages.get("/experiments/<key>/deployments/<step>")
    def confirm(key: str, step: str) -> str:
        return _asked(platform, key, _step(step), policy=request.args.get("policy", ""))

    @pages.post("/experiments/<key>/deployments/<step>")
    def take_step(key: str, step: str) -> Response:
        wanted, policy = _step(step), request.form.get("policy", "")
        try:
            _take(platform, key, wanted.name, policy)
        except (ConflictError, InputError) as error:
            status = 409 if isinstance(error, ConflictError) else 422
            refused = _asked(platform, key, wanted, policy=policy, refusal=told(error))
            return make_response(refused, status)
        return redirect(url_for("deployments.page", key=key), 303)

    return pages


def _asked(
    platform: Platform, key: str, step: DeploymentStep, *, policy: str, refusal: str = ""
) -> str:
    """The page that says what a step does, with the evidence, before it is taken."""
    stored = platform.experiments.get(key)
    now = platform.deployments.current(key)
    about = policy if step.name in _OF_A_POLICY else now.deployment.champion
    return render_template(
        "dashboards/deployment_step.html",
        stored=stored,
        step=step,
        policy=policy,
        serves_now=serves(now),
        based_on=now.deployment.number,
        evidence=evidence_lines(platform.deployments.evidence(key, about)),
        share=request.form.get("share", "10"),
        versions=_versions(platform, key, now) if step.name == "pin" else (),
        refusal=refusal,
    )


def _versions(platform: Platform, key: str, now: DeploymentEntry) -> list[int]:
    """The newest versions of the champion's model."""
    return [
        each.version
        for each in versions(platform.database, key)
        if each.model_hash == now.champion_model
    ]


def _take(platform: Platform, key: str, step: str, policy: str) -> None:
    service, by = platform.deployments, viewer().actor
    based_on = _whole("based_on")
    match step:
        case "promote":
            service.promote(key, policy, by, based_on=based_on)
        case "ramp":
            service.ramp(key, policy, _share(), by, based_on=based_on)
        case "hold":
            service.hold(key, by, based_on=based_on)
        case "pin":
            service.pin(key, _whole("version"), by, based_on=based_on)
        case "release":
            service.release(key, by, based_on=based_on)
        case _:
            service.roll_back(key, by, based_on=based_on)


def _share() -> float:
    """The share in the form, which is in percent."""
    text = request.form.get("share", "").strip().removesuffix("%").strip()
    try:
        return float(text) / 100
    except ValueError:
        raise InputError("the share must be a number of percent, such as 10") from None


def _whole(name: str) -> int | None:
    text = request.form.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) > _LARGEST_NUMBER:
        raise InputError(f"{name.replace('_', ' ')} must be a whole number")
    return int(text)


def _step(name: str) -> DeploymentStep:
    try:
        return STEPS[name]
    except KeyError:
        raise NotFound from None
