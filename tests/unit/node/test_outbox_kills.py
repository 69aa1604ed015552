"""F15: kill -9 in the middle of a putting or a deleting, with nothing else to do: the outbox is whole and forgets no number.

TESTS_NODE_KILLS sets how often.
"""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from sensorline_node.outbox import Outbox
from sensorline_node.sensors.base import Measurement

KILLS = int(os.environ.get("TESTS_NODE_KILLS", "20"))
SEED = 20261121

BUSY_NODE = """
import sys
import time
from pathlib import Path
from sensorline_node.outbox import Outbox
from sensorline_node.sensors.base import Measurement

outbox = Outbox(Path(sys.argv[1]), "desk", max_bytes=10**7)
while True:
    rows = outbox.put([Measurement(f"m{n}", n) for n in range(10)], time.time_ns() // 10**6)
    print("put", rows[0].seq, rows[-1].seq, flush=True)
    if rows[0].seq % 3 == 0:
        outbox.confirm([(1, rows[-1].seq)])
        print("gone", 1, rows[-1].seq, flush=True)
"""


def one_life(path: Path, seconds: float) -> list[tuple[str, int, int]]:
    """Let a busy node live for some time after its first word, kill it, and return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY_NODE, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        first = process.stdout.readline()
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        lines = [first, *process.stdout]
    killer.join()
    process.wait(10)
    # The last line may have been cut off. Between them the log says that times run ahead of the clock, a millisecond for each putting.
    words = [line.split() for line in lines if line.endswith("\n") and line.startswith(("put ", "gone "))]
    return [(what, int(low), int(high)) for what, low, high in words]


def test_f15_what_was_put_is_there_and_no_number_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    instants = random.Random(SEED)
    highest, last_ms = 0, 0
    for n in range(KILLS):
        said = one_life(path, instants.uniform(0.0, 0.05))
        put = [(low, high) for what, low, high in said if what == "put"]
        assert put, f"seed {SEED}, kill {n}: nothing was put"
        assert put[0][0] > highest, f"seed {SEED}, kill {n}: {put[0][0]} was given before"
        gone = max((high for what, _, high in said if what == "gone"), default=0)
        outbox = Outbox(path, "desk", max_bytes=10**7)
        waiting = {row.seq for row in outbox.after(0, 10**6)}
        # A deletion that is being said, or was cut off, may be done or not; what was put is there unless it is.
        deleting = max((high for what, _, high in said if what == "put" and (high - 9) % 3 == 0), default=0)
        missing = {seq for low, high in put for seq in range(low, high + 1)} - waiting
        assert all(seq <= max(gone, deleting) for seq in missing), f"seed {SEED}, kill {n}"
        (row,) = outbox.put([Measurement("m0", 1.0)], time.time_ns() // 10**6)
        assert row.seq > put[-1][1]
        assert row.time_ms > last_ms, "times go on, too"
        highest, last_ms = row.seq, row.time_ms
        outbox.close()
