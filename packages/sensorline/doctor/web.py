"""Is the dashboard there, and does it reach broker and store?"""

from sensorline.doctor.asking import ask
from sensorline.doctor.findings import Finding, Level


def ready(url: str) -> Finding:
    """Return what /readyz says."""
    answer = ask(f"{url.rstrip('/')}/readyz")
    if not answer.status:
        return _finding(
            Level.UNSEEN,
            f"{url} does not answer ({answer.why})",
            "sensorline doctor --web-url http://HOST:8000",
        )
    if answer.status == 200:
        return _finding(Level.FINE, f"{url} is ready")
    checks = answer.json().get("checks")
    said = [
        f"{name}: {check.get('detail')}"
        for name, check in (checks if isinstance(checks, dict) else {}).items()
        if isinstance(check, dict) and not check.get("ok")
    ]
    return _finding(
        Level.PROBLEM, f"{url} is not ready: {'; '.join(said) or answer.status}; nothing is lost by that"
    )


def _finding(level: Level, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="web", check="ready", says=says, fix=fix)
