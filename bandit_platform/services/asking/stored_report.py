"""An evaluation's report as text that is kept, and back: every number is the same afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from bandit_platform.ope.evaluating.report import EvaluationReport


def stored_text(report: EvaluationReport) -> str:
    """The report as JSON, in which infinite bounds stay infinite."""
    return json.dumps(asdict(report), separators=(",", ":"))


def report_from(text: str) -> EvaluationReport:
    """A report that was stored."""
    return _adapter().validate_python(json.loads(text))


@cache
def _adapter() -> TypeAdapter[EvaluationReport]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - made once, at the first report

    from bandit_platform.ope.evaluating.report import EvaluationReport  # noqa: PLC0415 - numpy is slow

    return TypeAdapter(EvaluationReport)
