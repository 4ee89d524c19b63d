"""Every error the platform raises on purpose.

BanditPlatformError
├── InputError                 the caller can mend it: bad file, body, option or value
│   ├── SpecError              an experiment file, with every problem and its path
│   ├── ContextError           a request's context does not fit the declared schema
│   ├── SettingsError          environment or configuration file, with every problem
│   ├── SecretError            another secret than the stored data were made with
│   ├── QuestionError          a question about an experiment, with every problem and its field
│   ├── LogError               a decision log cannot be read, with the line
│   └── PolicyArgumentsError   Vowpal Wabbit arguments that cannot give a sound PMF
├── NotFoundError              no such experiment, decision, arm or version
├── ConflictError              the request contradicts what is already stored
│   ├── StateError             this lifecycle step is not possible from this state
│   ├── LockedError            this part of a running experiment may not change
│   └── StaleError             somebody else changed it meanwhile
├── EvaluationError            the data cannot answer the question
└── UnavailableError           try again: nothing loaded yet, database away, lease lost
    ├── JournalError           the journal cannot be written
    ├── StorageError           the database did not answer or refused
    │   └── OutdatedError      the tables want to be migrated first
    ├── LeaseError             another worker leads
    ├── UnreadableError        stored in a form that this version does not know
    └── PolicyError            a model gave no usable PMF
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BanditPlatformError(Exception):
    """Root of all errors the platform raises on purpose."""


class InputError(BanditPlatformError):
    """The caller sent something that cannot be accepted; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with an input: where it is and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SpecError(InputError):
    """An experiment file with one or more problems, all of them listed."""

    def __init__(self, problems: Sequence[Problem], source: str = "experiment") -> None:
        self.problems = tuple(problems)
        self.source = source
        listed = "; ".join(str(problem) for problem in self.problems)
        super().__init__(f"{source}: {listed}")


class ContextError(InputError):
    """A context that does not fit the experiment's declared schema."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class SettingsError(InputError):
    """Settings that cannot be used; every problem on a line of its own."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SecretError(InputError):
    """The stored data were made with another secret than this process has."""


class QuestionError(InputError):
    """A question about an experiment that cannot be asked, with every problem and its field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class LogError(InputError):
    """A decision log that cannot be read; says the file and the line."""


class PolicyArgumentsError(InputError):
    """Vowpal Wabbit arguments that cannot give a sound probability distribution."""


class NotFoundError(BanditPlatformError):
    """The thing asked for does not exist."""


class NotYoursError(BanditPlatformError):
    """Something of somebody else, which only that person or an administrator may change."""


class ConflictError(BanditPlatformError):
    """The request contradicts what is already stored."""


class StateError(ConflictError):
    """A lifecycle step that is not possible from the experiment's present state."""


class LockedError(ConflictError):
    """A part of a started experiment that may not change any more."""


class StaleError(ConflictError):
    """A change made from a state that is no longer in force."""


class EvaluationError(BanditPlatformError):
    """The logged data cannot answer the question asked."""


class UnavailableError(BanditPlatformError):
    """Something needed is not there at the moment; trying again can help."""


class JournalError(UnavailableError):
    """The journal cannot be written or read."""


class StorageError(UnavailableError):
    """The database did not answer, or refused."""


class OutdatedError(StorageError):
    """The tables do not have the form this version works with."""


class LeaseError(UnavailableError):
    """Another worker leads on this database."""


class UnreadableError(UnavailableError):
    """What is stored cannot be read, because another version wrote it or it was damaged."""


class PolicyError(UnavailableError):
    """A model gave no usable probability distribution."""
