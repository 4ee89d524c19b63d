"""The format of exported Parquet files, named in each of them.

DSJSON names its own version; the columns of a CSV file need none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bandit_platform.errors import LogError

#: Grows with every change that an earlier reader would misread.
FORMAT = 1
_KEY = b"bandit_platform.export_format"
METADATA: Mapping[bytes, bytes] = {_KEY: str(FORMAT).encode()}


def demand_readable(path: Path, metadata: Mapping[bytes, bytes] | None) -> None:
    """Refuse an export of a format that this version does not read; other files are accepted.

    Raises:
        LogError: a later version wrote the file.
    """
    written = (metadata or {}).get(_KEY)
    if written is not None and (not written.isdigit() or int(written) > FORMAT):
        raise LogError(
            f"{path}: the export has format {written.decode(errors='replace')[:20]}, and this "
            f"version reads up to {FORMAT}; install a later version of bandit-platform"
        )
