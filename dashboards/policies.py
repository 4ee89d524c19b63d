"""Policies in words."""

from __future__ import annotations

ALWAYS = "always:"
ALWAYS_NOTHING = "always:nothing"


def policy_words(name: str, kind: str) -> str:
    """What a policy is called on a page."""
    if kind == "logging":
        return "As it was served"
    if kind == "serving":
        return "Learned policy"
    if name == ALWAYS_NOTHING:
        return "Always show nothing"
    if name.startswith(ALWAYS):
        return f"Always {name.removeprefix(ALWAYS)}"
    if name == "uniform":
        return "Every arm equally likely"
    return f"Candidate {name}" if kind == "candidate" else name


def policy_meaning(name: str, kind: str) -> str:
    """One line on what following the policy would have meant."""
    if kind == "logging":
        return "what shoppers really got"
    if kind == "serving":
        return "what the model would show"
    if kind == "candidate":
        return "learns alongside, never decides"
    if name == ALWAYS_NOTHING:
        return "the baseline"
    if name.startswith(ALWAYS):
        return ""
    return "no model: chance alone decides" if name == "uniform" else ""
