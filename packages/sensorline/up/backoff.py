"""How long to wait before a service that died starts again."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Delays that double from `first_s` to `most_s`, and begin again after a life of `calm_s`."""

    first_s: float = 0.5
    most_s: float = 30.0
    calm_s: float = 60.0
    _next_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Return the delay in seconds for a process that lived `lived_s` seconds."""
        if lived_s >= self.calm_s or self._next_s == 0:
            self._next_s = self.first_s
        delay_s = self._next_s
        self._next_s = min(self.most_s, self._next_s * 2)
        return delay_s
