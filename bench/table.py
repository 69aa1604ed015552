"""The one table that a bench run prints."""

from typing import NamedTuple


class Row(NamedTuple):
    """One measured figure; `reached` is None where there is nothing to reach."""

    what: str
    figure: str
    ratio: str
    to_reach: str
    reached: bool | None = None


def render(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| what | measured | ratio to plain paho | to reach |", "| --- | --- | --- | --- |"]
    for row in rows:
        verdict = "" if row.reached is None else (" reached" if row.reached else " MISSED")
        lines.append(f"| {row.what} | {row.figure} | {row.ratio} | {row.to_reach}{verdict} |")
    return "\n".join(lines)
