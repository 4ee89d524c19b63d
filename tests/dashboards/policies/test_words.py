from __future__ import annotations

import pytest

from dashboards.policies.words import policy_meaning, policy_words


@pytest.mark.parametrize(
    ("row", "words", "meaning"),
    [
        (
            ("serving", "serving", "champion", ("policy",)),
            "Learned policy",
            "the champion “policy”",
        ),
        (("serving", "serving", None, ()), "Learned policy", "what the model would show"),
        (
            ("greedier", "candidate", "challenger", ("greedier",)),
            "Candidate greedier",
            "the challenger “greedier”: serves a share",
        ),
        (("greedier", "candidate", None, ("greedier",)), "Candidate greedier", "never decides"),
        (("version:12", "version", "champion", ("policy",)), "Model version 12", "pinned"),
    ],
)
def test_a_policy_that_serves_says_in_which_role(
    row: tuple[str, str, str | None, tuple[str, ...]], words: str, meaning: str
) -> None:
    name, kind, role, own_names = row
    assert policy_words(name, kind) == words
    assert meaning in policy_meaning(name, kind, role, own_names)
