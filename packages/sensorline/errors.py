"""Every error that Sensorline raises on purpose.

    SensorlineError
    ├── SettingsError       every bad setting at once; exit code 2; nothing was started; never retried
    ├── StartupError        cannot begin (session held by another ingest, port taken); exit code 1
    ├── Rejected            a message that cannot become readings; .reason, .detail; dead letter, then acknowledge
    ├── QueryError          a question that has no answer as asked; .parameter; the caller must change it
    ├── SensorError         a sensor is missing or silent; .sensor; the node goes on with the others
    └── StoreError
        ├── StoreUnavailable    disk full, locked, not reachable: hold, retry with back-off, do not acknowledge
        └── StoreTooNew         written by a later version; never retried

Catch by class; people read the message, which says what, where, what was expected and what to do.
"""

from dataclasses import dataclass


class SensorlineError(Exception):
    """The root: an error that is explained in one line and needs no traceback."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad setting: its name, the value that was given (masked if secret) and what was expected."""

    name: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}: {self.expected}"


class SettingsError(SensorlineError):
    """All that is wrong with the settings, listed at once."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = f"{len(problems)} bad setting{'s' if len(problems) != 1 else ''}, nothing started:"
        super().__init__("\n  ".join([count, *map(str, problems)]))


class StartupError(SensorlineError):
    """The service cannot begin its work; the message says who or what is in the way."""


class Rejected(SensorlineError):
    """A message that cannot become readings, with a reason from a bounded set and a detail for people."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class QueryError(SensorlineError):
    """A query parameter that has no meaning; `parameter` names it."""

    def __init__(self, parameter: str, detail: str) -> None:
        self.parameter = parameter
        self.detail = detail
        super().__init__(f"{parameter}: {detail}")


class SensorError(SensorlineError):
    """A sensor that is not there or gave nothing; the message says what is missing and how to get it."""

    def __init__(self, sensor: str, detail: str) -> None:
        self.sensor = sensor
        self.detail = detail
        super().__init__(f"{sensor}: {detail}")


class StoreError(SensorlineError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """Not now: hold what was to be written and try again; nothing of the call was stored."""


class StoreTooNew(StoreError):
    """The stored data has a schema of a later Sensorline; this one would damage it."""
