from __future__ import annotations

import base64
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from bandit_platform.domain import access
from bandit_platform.domain.access import (
    Key,
    Role,
    digest_of,
    key_id_of,
    new_key_text,
)


def key(text: str) -> Key:
    return Key(
        key_id=str(key_id_of(text)),
        digest=digest_of(text),
        role=Role.SERVER,
        experiments=None,
        origins=frozenset(),
        label="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=None,
        revoked_at=None,
    )


@pytest.mark.parametrize(("publishable", "kind"), [(True, "pk"), (False, "sk")])
def test_a_key_holds_256_bits_that_nobody_can_guess(publishable: bool, kind: str) -> None:
    texts = [new_key_text(publishable=publishable) for _ in range(200)]
    secrets = {text.split("_", 2)[2] for text in texts}
    assert {text.split("_")[0] for text in texts} == {kind}
    assert len(secrets) == len({key_id_of(text) for text in texts}) == 200
    assert {len(base64.urlsafe_b64decode(secret + "=")) for secret in secrets} == {32}
    with patch.object(access.secrets, "token_urlsafe", return_value="x" * 43) as source:
        assert new_key_text(publishable=publishable).endswith("x" * 43)
    source.assert_called_once_with(32)  # from the system's source of randomness, and 256 bits


def test_only_the_whole_text_matches_and_in_constant_time() -> None:
    text = new_key_text(publishable=False)
    made = key(text)
    assert text not in repr(made)
    assert text.split("_", 2)[2] not in repr(made)
    with patch.object(access, "compare_digest", wraps=access.compare_digest) as compare:
        assert made.matches(text)
        assert not made.matches(text[:-1] + ("A" if text[-1] != "A" else "B"))
        assert not made.matches(text[:-1])
        assert not made.matches("")
    assert compare.call_count == 4


@pytest.mark.parametrize(
    "text",
    ["", "sk_", "sk_0123456789abcdef_short", "xx_0123456789abcdef_" + "A" * 43]
    + [f"sk_0123456789abcdef_{'A' * 43}{end}" for end in ("\n", " ", "A")],
)
def test_other_texts_are_no_keys(text: str) -> None:
    assert key_id_of(text) is None
