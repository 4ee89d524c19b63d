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
        return "what shoppers really got, exploration and early learning included"
    if kind == "serving":
        return "what the model would have done, learning row by row"
    if kind == "candidate":
        return "learns beside the serving policy and never decides"
    if name == ALWAYS_NOTHING:
        return "no shopper ever gets an offer: the baseline"
    if name.startswith(ALWAYS):
        return "every shopper who may get this arm gets it"
    return "no model: the arms take turns by chance" if name == "uniform" else ""
