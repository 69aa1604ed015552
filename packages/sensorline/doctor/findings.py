"""What a check found: how bad it is, a sentence about it, and the line that mends it."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is, the worst first."""

    PROBLEM = "problem"
    """Data is lost, or will be as soon as something ordinary happens: a restart, a full disk, an hour without ingest."""
    WARNING = "warning"
    """Nothing is lost by it today."""
    UNSEEN = "unseen"
    """Could not be looked at; the sentence says why."""
    FINE = "fine"


_ORDER = list(Level)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence. `part` is where: broker, ingest, web, store, disk, clock or files; `check` is a stable name for programs.

    `fix` is the line to write or the command to run, empty where there is nothing to mend.
    """

    level: Level
    part: str
    check: str
    says: str
    fix: str = ""


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return the worst first, otherwise in the order in which they came."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.level))


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many there are of each level, by its name."""
    out = dict.fromkeys(map(str, Level), 0)
    for finding in findings:
        out[str(finding.level)] += 1
    return out


def as_text(findings: Sequence[Finding], took_s: float) -> str:
    """Return lines for people."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<8} {finding.part}: {finding.says}")
        if finding.fix:
            lines.append(f"{'':<8}   {finding.fix}")
    n = counts(findings)
    problems = f"{n['problem']} problem{'' if n['problem'] == 1 else 's'}"
    warnings = f"{n['warning']} warning{'' if n['warning'] == 1 else 's'}"
    lines += ["", f"{problems}, {warnings}, {n['unseen']} not seen, {n['fine']} fine; {took_s:.0f} s"]
    return "\n".join(lines)


def as_json(findings: Sequence[Finding], took_s: float) -> str:
    """Return the same for programs."""
    body = {"findings": findings, "counts": counts(findings), "took_s": round(took_s, 1)}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
