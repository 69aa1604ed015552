"""`make bench`: everything that we say is fast or small, measured in one run and printed as one table.

python bench/run.py [store] [written] [ingest] [path] [queries] [latency] [fanout] [footprint] [catchup] [backlog] [influx] [telegraf]
"""

import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import backlog
import catchup
import fanout
import footprint
import influx
import ingest
import latency
import path
import psutil
import queries
import store
import telegraf
import written
from table import Row, render

BENCHES = {
    "store": store.measure,
    "written": written.measure,
    "ingest": ingest.measure,
    "path": path.measure,
    "latency": latency.measure,
    "fanout": fanout.measure,
    "queries": queries.measure,
    "footprint": footprint.measure,
    "catchup": catchup.measure,
    "backlog": backlog.measure,
    "influx": influx.measure,
    "telegraf": telegraf.measure,
}


def main(names: list[str]) -> int:
    """Run the named benches, or all; returns 1 if something that is to be reached was missed."""
    rows: list[Row] = []
    begun_s = time.monotonic()
    for name in names or BENCHES:
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="sensorline-bench-") as folder:
            try:
                rows += BENCHES[name](Path(folder))
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - what the others measured is not to be lost with it
                rows.append(
                    Row(f"{name}: could not be measured", f"{type(exc).__name__}: {exc}", "", "", False)
                )
    print(render(rows))
    memory_gb = psutil.virtual_memory().total / 1e9
    print(
        f"\n{platform.machine()}, {psutil.cpu_count()} cores, {memory_gb:.0f} GB; Python {platform.python_version()},"
        f" paho-mqtt {version('paho-mqtt')}, Sensorline {version('sensorline')}; {time.monotonic() - begun_s:.0f} s in all"
    )
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(BENCHES)
    if unknown:
        sys.exit(f"bench: unknown: {', '.join(unknown)}; expected {', '.join(BENCHES)}")
    sys.exit(main(sys.argv[1:]))
