"""One Vowpal Wabbit model: predict, learn, save, load. The only importer of vowpalwabbit.

The binding has edges that are handled here and nowhere else: a parsed example must be finished or
it leaks; labels are not checked; probabilities are single precision; calls after ``finish`` do
not fail; a workspace is not thread-safe; loading with other arguments than the model's silently
changes it, so a model is loaded with ``-i`` alone.

Examples are handed over as the compiled half of the binding (``pylibvw``) makes them: its Python
half wraps each line in an object of its own, which takes four times as long as the prediction
(25 µs instead of 6 for ten arms).

A workspace keeps 33 KB for each line that it ever parsed at once, 0.7 MB for 20 arms. So models
with the same arguments predict from examples that one workspace parses for all of them. Thereby a
prediction changes nothing of a model either, not even its count of examples.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from vowpalwabbit import Workspace
from vowpalwabbit.pyvw import pylibvw

from bandit_platform.errors import InputError, PolicyError
from bandit_platform.policies.numbers import SMALLEST, number

_Core: Any = pylibvw.vw
#: The parser's ring holds examples that are read ahead, 8 MB for each model; one at a time is used.
_SMALL_RING = ("--ring_size", "1")
_LOADING = ("--quiet", "--preserve_performance_counters", *_SMALL_RING)
#: arguments that say where a model came from
_SOURCE = re.compile(r"--initial_regressor \S+|--preserve_performance_counters")
#: Labels are read in single precision, where larger numbers are infinite.
_LARGEST = 1e37


class _Parser:
    """A workspace that parses lines for the models that have its arguments."""

    def __init__(self, workspace: Any) -> None:
        self.workspace = workspace
        self.lock = Lock()


#: arguments → their parser, as long as a model uses it
_parsers: WeakValueDictionary[str, _Parser] = WeakValueDictionary()


def _parser_for(workspace: Any, arguments: Sequence[str]) -> _Parser:
    """The parser for a workspace that was made with some arguments."""
    known = " ".join(_SOURCE.sub("", workspace.get_arguments()).split())
    parser = _parsers.get(known) or _Parser(Workspace(arg_list=[*arguments]))
    return _parsers.setdefault(known, parser)


class VowpalModel:
    """A contextual-bandit model in ADF form."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """A model of the arguments.

        Raises:
            RuntimeError: Vowpal Wabbit refuses them.
        """
        self._workspace: Any = Workspace(arg_list=[*arguments])
        self._lock = Lock()
        #: parses what the model predicts from
        self._parser = _parser_for(self._workspace, arguments)

    @classmethod
    def fresh(cls, arguments: str) -> VowpalModel:
        """An untrained model.

        Raises:
            PolicyError: VW refuses the arguments.
        """
        try:
            return cls([*arguments.split(), *_SMALL_RING])
        except RuntimeError as error:
            raise PolicyError(f"Vowpal Wabbit refuses the arguments: {error}") from error

    @classmethod
    def load(cls, blob: bytes) -> VowpalModel:
        """The model that :meth:`save` wrote.

        Raises:
            PolicyError: the bytes are not a model.
        """
        with tempfile.TemporaryDirectory(prefix="bandit-platform-") as folder:
            path = Path(folder) / "model.vw"
            path.write_bytes(blob)
            try:
                return cls(["-i", str(path), *_LOADING])
            except RuntimeError as error:
                raise PolicyError(f"the stored model cannot be loaded: {error}") from error

    def save(self) -> bytes:
        """The model as bytes; loading them continues exactly where this model stands."""
        with self._lock, tempfile.TemporaryDirectory(prefix="bandit-platform-") as folder:
            path = Path(folder) / "model.vw"
            self._open().save(str(path))
            return path.read_bytes()

    def predict(self, lines: Sequence[str]) -> list[float]:
        """What the model predicts for each arm line, in their order (single precision).

        A regression predicts costs, a model that explores by itself probabilities.

        Raises:
            PolicyError: VW cannot answer.
        """
        with self._lock:
            workspace, parser = self._open(), self._parser
            with parser.lock:
                return _predicted(workspace, parser.workspace, lines)

    def score_and_learn(self, lines: Sequence[str], position: int, cost: float) -> list[float]:
        """Predict with a regression, then learn the outcome of one decision.

        Every outcome counts alike: the regression is told a propensity of 1. Vowpal Wabbit leaves
        the prediction from before learning on the example, so one call does both.

        Args:
            lines: as for :meth:`predict`.
            position: of the arm that was drawn, from 0.
            cost: what VW minimises; the negative of a reward.

        Returns:
            Predicted costs before learning, as :meth:`predict` gives them.

        Raises:
            InputError: a label that VW would take silently and misread.
            PolicyError: VW cannot answer.
        """
        labelled = _labelled(lines, position, cost, 1.0)
        with self._lock:
            workspace, example = self._parsed(labelled)
            try:
                _Core.learn_multi(workspace, example)
                return list(example[0].get_action_scores())
            except RuntimeError as error:
                raise PolicyError(f"Vowpal Wabbit failed: {error}") from error
            finally:
                _Core._finish_example_multi_ex(workspace, example)

    def predict_and_learn(
        self, lines: Sequence[str], position: int, cost: float, propensity: float
    ) -> list[float]:
        """Predict, then learn the outcome: one step of progressive validation, parsed once.

        A labelled example gives the same prediction, bit for bit, as the same one unlabelled.

        Args:
            lines: as for :meth:`predict`.
            position: of the arm that was drawn, from 0.
            cost: what VW minimises; the negative of a reward.
            propensity: logged probability of that arm.

        Returns:
            Raw probabilities before learning, as :meth:`predict` gives them.

        Raises:
            InputError: a label that VW would take silently and misread.
            PolicyError: VW cannot answer.
        """
        labelled = _labelled(lines, position, cost, propensity)
        with self._lock:
            workspace, example = self._parsed(labelled)
            try:
                _Core.predict_multi(workspace, example)
                raw: list[float] = list(example[0].get_action_scores())
                _Core.learn_multi(workspace, example)
            except RuntimeError as error:
                raise PolicyError(f"Vowpal Wabbit failed: {error}") from error
            finally:
                _Core._finish_example_multi_ex(workspace, example)
            return raw

    def close(self) -> None:
        """Free the workspace; later calls raise PolicyError."""
        with self._lock:
            if self._workspace is not None:
                self._workspace.finish()
                self._workspace = None

    def _parsed(self, lines: Sequence[str]) -> tuple[Any, Any]:
        """The workspace and the parsed example, which must be finished whatever happens."""
        workspace = self._open()
        return workspace, _parsed(workspace, lines)

    def _open(self) -> Any:
        if self._workspace is None:
            raise PolicyError("the model is closed")
        return self._workspace


def _labelled(lines: Sequence[str], position: int, cost: float, propensity: float) -> list[str]:
    """The lines with a label on the arm that was drawn."""
    if not SMALLEST <= propensity <= 1.0:
        raise InputError("a propensity must be above 0 and at most 1")
    if not abs(cost) <= _LARGEST:
        raise InputError("a reward must be finite")
    if not 0 <= position < len(lines) - 1:
        raise InputError("the arm's position must be one of the eligible arms")
    labelled = [*lines]
    labelled[position + 1] = f"0:{number(cost)}:{number(propensity)} {lines[position + 1]}"
    return labelled


def _parsed(parser: Any, lines: Sequence[str]) -> Any:
    try:
        return _Core._parse(parser, "\n".join(lines))
    except RuntimeError as error:
        raise PolicyError(f"Vowpal Wabbit cannot parse: {error}") from error


def _predicted(workspace: Any, parser: Any, lines: Sequence[str]) -> list[float]:
    """What a workspace predicts from lines that the same or another one parses."""
    example = _parsed(parser, lines)
    try:
        _Core.predict_multi(workspace, example)
        return list(example[0].get_action_scores())
    except RuntimeError as error:
        raise PolicyError(f"Vowpal Wabbit failed: {error}") from error
    finally:
        _Core._finish_example_multi_ex(parser, example)


def blob_hash(blob: bytes) -> str:
    """The hash under which a model's bytes are known."""
    return sha256(blob).hexdigest()
