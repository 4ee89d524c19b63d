"""Unpredictable bytes in small portions, asked of the operating system in large ones.

A system call for each would take longer than all that is done with the bytes.
"""

from __future__ import annotations

import os

_PORTION = 16
_portions: list[bytes] = []
#: a forked process must not hand out what its parent hands out
os.register_at_fork(after_in_child=_portions.clear)


def random_bytes() -> bytes:
    """Sixteen bytes that nobody can guess; safe in threads and after a fork."""
    while True:
        try:
            return _portions.pop()
        except IndexError:
            drawn = os.urandom(256 * _PORTION)
            _portions.extend(drawn[at : at + _PORTION] for at in range(0, len(drawn), _PORTION))
