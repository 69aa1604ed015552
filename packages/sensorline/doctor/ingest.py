"""Is ingest there? What it says of itself at the broker, and what its /readyz says."""

from collections.abc import Iterator
from typing import Any

from sensorline import __version__, topics
from sensorline.doctor.asking import ask
from sensorline.doctor.context import in_words
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.watching import Heard

START = "systemctl start sensorline-ingest   (or: make run, docker compose up -d)"
OLD_S = 10.0
MANY_WAITING = 50_000
LATE_S = 60.0


def told(heard: Heard, *, may_listen: bool) -> Iterator[Finding]:
    """Yield what ingest's status at the broker says; without `may_listen` silence says nothing."""
    status = heard.status
    if status is None and not may_listen:
        yield _finding(
            Level.UNSEEN, "alive", f"this user hears nothing on {topics.INGEST_STATUS}; -u admin may"
        )
        return
    if status is None:
        yield _finding(
            Level.PROBLEM,
            "alive",
            f"nothing on {topics.INGEST_STATUS}: no ingest has worked with this broker, so nothing is stored",
            START,
        )
        return
    state, who = str(status.get("state")), _who(status)
    if state in ("offline", "stopped"):
        how = "has stopped" if state == "stopped" else "is gone (its last will says so)"
        yield _finding(
            Level.PROBLEM,
            "alive",
            f"ingest{who} {how}: nothing is stored, and the broker keeps what comes as long as its queue lasts",
            START,
        )
        return
    updated_ms = status.get("updated_at")
    age_s = heard.status_at - updated_ms / 1000 if isinstance(updated_ms, int) else 0.0
    if not heard.status_is_live and age_s > OLD_S:
        yield _finding(
            Level.PROBLEM,
            "alive",
            f"ingest{who} has said nothing for {age_s:,.0f} s, although its last word was that it is {state!r}",
            START,
        )
        return
    yield from _at_work(status, state, who)


def _at_work(status: dict[str, Any], state: str, who: str) -> Iterator[Finding]:
    if state == "store_unavailable":
        yield _finding(
            Level.PROBLEM,
            "alive",
            f"ingest{who} cannot store and acknowledges nothing: the broker keeps what comes as long as its queue lasts",
            "curl -s http://127.0.0.1:8001/readyz   (says why)",
        )
    else:
        yield _finding(Level.FINE, "alive", f"ingest{who} is at work")
    version = str(status.get("version"))
    if version != __version__:
        yield _finding(
            Level.WARNING,
            "version",
            f"ingest is version {version}, this is {__version__}: start ingest again after an upgrade",
        )
    waiting, undelivered = _number(status, "backlog"), _number(status, "undelivered")
    late_s = _number(status, "undelivered_s")
    if waiting > MANY_WAITING:
        yield _finding(
            Level.WARNING,
            "backlog",
            f"{in_words(waiting, 'message')} have arrived at ingest and wait to be stored: it is slower than what comes",
            "a faster disk or processor; sensorline_ingest_commit_seconds shows how long commits take",
        )
    if late_s > LATE_S:
        yield _finding(
            Level.WARNING,
            "undelivered",
            f"{in_words(undelivered, 'reading')} wait for InfluxDB, the oldest for {late_s:,.0f} s",
            "curl -s http://127.0.0.1:8001/readyz   (has InfluxDB's own words)",
        )


def ready(url: str) -> Finding:
    """Return what /readyz says; not to be reached is not a fault, it listens on its own machine only."""
    answer = ask(f"{url.rstrip('/')}/readyz")
    if not answer.status:
        return _finding(
            Level.UNSEEN,
            "ready",
            f"{url} does not answer ({answer.why})",
            "sensorline doctor --ingest-url http://HOST:8001",
        )
    if answer.status == 200:
        return _finding(Level.FINE, "ready", f"{url} is ready")
    said = "; ".join(f"{name}: {text}" for name, text in answer.json().items() if text != "ok")
    return _finding(Level.PROBLEM, "ready", f"{url} is not ready: {said or answer.status}")


def _who(status: dict[str, Any]) -> str:
    instance = status.get("instance")
    if not isinstance(instance, dict):
        return ""
    return f" (pid {instance.get('pid')} on {instance.get('host')})"


def _number(status: dict[str, Any], name: str) -> float:
    value = status.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="ingest", check=check, says=says, fix=fix)
