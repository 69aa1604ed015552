"""What live operation writes to the device (SD cards live long): decoded, tracked, committed and sealed, one reading a series and commit.

In one process without a broker, on a clock of its own: half an hour of 500 series at 1 Hz goes by in some seconds.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from store import SECOND_NS, SETTINGS, written_bytes
from table import Row

from sensorline.decoders import build_decoders
from sensorline.mqtt import RawMessage
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

SERIES = 500
SECONDS = 1_800
WARM_S = 100
"""Until then files grow to the size that they keep."""


def seconds(*, numbered: bool) -> Iterator[list[RawMessage]]:
    """Yield the messages of each second; `numbered` ones carry their device's running number."""
    rng = random.Random(7)
    values = [20.0 + i % 50 for i in range(SERIES)]
    first_ms = time.time_ns() // 10**9 * 1_000 - SECONDS * 1_000
    for second in range(SECONDS):
        messages: list[RawMessage] = []
        for k in range(SERIES):
            values[k] = round(values[k] + rng.choice((-0.1, -0.01, 0, 0, 0.01, 0.1)), 2)
            ts = first_ms + second * 1_000 + k + rng.randrange(10)
            seq = b',"seq":%d' % (second * 10 + k % 10) if numbered else b""
            payload = b'{"value":%.2f,"ts":%d%b}' % (values[k], ts, seq)
            packet_id = (second * SERIES + k) % 65_000 + 1
            messages.append((b"sensors/bench%d/m%d" % (k // 10, k % 10), payload, packet_id, 2, ts * 10**6))
        yield messages


def written(store: Path, *, numbered: bool) -> float:
    """Return bytes a reading."""
    writer = SqliteWriter(StoreSettings(path=store, **SETTINGS))  # type: ignore[arg-type]  # one dict of settings of several types
    pipeline = Pipeline(build_decoders(), writer, Cardinality((), 10_000, 1_000), IngestMetrics())
    before = 0
    for second, messages in enumerate(seconds(numbered=numbered)):
        if second == WARM_S:
            before = written_bytes()
        pipeline.commit(pipeline.decode(messages))
        writer.maintain(messages[0][4] // SECOND_NS * SECOND_NS)
    total = written_bytes() - before
    writer.close()
    return total / ((SECONDS - WARM_S) * SERIES)


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    rows = []
    for name, numbered in (("without numbers", False), ("with numbers (seq)", True)):
        each = written(folder / f"{numbered}.db", numbered=numbered)
        what = f"ingest, 500 series, one reading each a commit, {name}: written to the device, books included"
        rows.append(Row(what, f"{each:.1f} B a reading", "", "≤ 50 B", each <= 50))
    return rows
