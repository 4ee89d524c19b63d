"""Settings: keys, users and the audit log. Each has a file; they share menus and an error page."""

from __future__ import annotations

from flask import Blueprint, render_template

from bandit_platform.bootstrap import Platform
from bandit_platform.errors import NotFoundError
from bandit_platform.web.console.audit_log_page import add_audit_log
from bandit_platform.web.console.frame import page_blueprint
from bandit_platform.web.console.key_pages import add_key_pages
from bandit_platform.web.console.user_pages import add_user_pages


def settings_blueprint(platform: Platform, address: str) -> Blueprint:
    """The pages for administrators.

    Args:
        platform: whose settings they are.
        address: where people reach the console; one-time links begin with it.
    """
    pages = page_blueprint("settings", __name__, url_prefix="/settings")
    add_key_pages(pages, platform)
    add_user_pages(pages, platform, address)
    add_audit_log(pages, platform)
    pages.register_error_handler(NotFoundError, _missing)
    return pages


def _missing(error: Exception) -> tuple[str, int]:
    return render_template("dashboards/settings_missing.html", error=error), 404
