"""`sensorline ingest` that says at its end in which functions its CPU time went.

    python bench/profiled_ingest.py [--null] [OPTIONS of sensorline ingest]

cProfile in each thread, with the thread's own CPU clock. What C does (msgspec, zlib, SQLite, the kernel) is charged to the Python
function that called it. Being watched makes each call into C dearer, so split() and decode() look two to three times what they are;
bench/path.py says what they cost unwatched. `--null` keeps nothing: no store.
"""

import cProfile
import pstats
import sys
import threading
import time
from pathlib import Path
from typing import Any

from null_ingest import open_null_writer

from sensorline.cli import cli
from sensorline.stores import opening

SHOWN = 30
_profiles: list[cProfile.Profile] = []


def profile_this_thread(*_: Any) -> None:
    """Begin to charge this thread's functions with their CPU time."""
    profile = cProfile.Profile(time.thread_time, builtins=False)
    _profiles.append(profile)
    profile.enable()


def report() -> str:
    """Return the functions that cost most by themselves, over all threads."""
    stats = pstats.Stats(*_profiles)
    rows: list[Any] = sorted(
        ((own, all_, calls, where) for where, (_, calls, own, all_, _) in stats.stats.items()),  # type: ignore[attr-defined]  # typeshed leaves it out
        reverse=True,
    )
    total = sum(row[0] for row in rows) or 1.0
    lines = ["  self    self s   with callees s     calls   function"]
    for own, with_callees, calls, (file, line, name) in rows[:SHOWN]:
        where = f"{name} ({'/'.join(Path(file).parts[-2:])}:{line})"
        lines.append(f"{own / total:6.1%} {own:9.3f} {with_callees:16.3f} {calls:9,}   {where}")
    return "\n".join(lines)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--null" in arguments:
        arguments.remove("--null")
        opening.open_writer = open_null_writer
    threading.setprofile(profile_this_thread)
    profile_this_thread()
    begun_s = time.process_time()
    try:
        cli(["ingest", *arguments], standalone_mode=False)
    finally:
        cpu_s = time.process_time() - begun_s
        for one in _profiles:
            one.disable()
        print(f"{cpu_s:.2f} s CPU in all\n\n{report()}", flush=True)
