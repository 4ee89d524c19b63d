"""Policies in words."""

from __future__ import annotations

from types import MappingProxyType

ALWAYS = "always:"
ALWAYS_NOTHING = "always:nothing"
VERSION = "version:"
SOMETHING = "always-something"
UNIFORM = "uniform"

_BY_KIND = MappingProxyType({"logging": "As it was served", "serving": "Learned policy"})
_BY_NAME = MappingProxyType(
    {
        ALWAYS_NOTHING: "Always show nothing",
        SOMETHING: "Always show an offer",
        UNIFORM: "Every arm equally likely",
    }
)
_MEANING_BY_KIND = MappingProxyType(
    {
        "logging": "what shoppers really got",
        "serving": "what the model would show",
        "candidate": "learns alongside, never decides",
    }
)
_MEANING_BY_NAME = MappingProxyType(
    {
        ALWAYS_NOTHING: "nobody is shown anything",
        SOMETHING: "any of them, by chance; never nothing",
        UNIFORM: "no model: chance alone decides",
    }
)
_INLINE_BY_KIND = MappingProxyType({"logging": "what was served", "serving": "the learned policy"})


def policy_words(name: str, kind: str) -> str:
    """What a policy is called on a page."""
    found = _BY_KIND.get(kind) or _BY_NAME.get(name)
    if found:
        return found
    if name.startswith(ALWAYS):
        return f"Always {name.removeprefix(ALWAYS)}"
    if name.startswith(VERSION):
        return f"Model version {name.removeprefix(VERSION)}"
    return f"Candidate {name}" if kind == "candidate" else name


def policy_meaning(
    name: str, kind: str, role: str | None = None, own_names: tuple[str, ...] = ()
) -> str:
    """One line on what following the policy would have meant.

    Args:
        name: of the row.
        kind: of the row.
        role: champion or challenger, where the policy serves.
        own_names: what the experiment file calls the policy.
    """
    named = " ".join(f"“{each}”" for each in own_names)
    if role == "challenger":
        return f"the challenger {named}: serves a share beside the champion"
    if kind == "version":
        return f"pinned for {named}; valued since, learns no more"
    if role == "champion" and named:
        return f"the champion {named}: {_MEANING_BY_KIND['serving']}"
    return _MEANING_BY_KIND.get(kind) or _MEANING_BY_NAME.get(name, "")


def policy_inline(name: str, kind: str) -> str:
    """A policy inside a sentence, after “over”: ``nothing``, ``always lounge``."""
    if name == ALWAYS_NOTHING:
        return "nothing"
    words = _INLINE_BY_KIND.get(kind) or policy_words(name, kind)
    return words[:1].lower() + words[1:]
