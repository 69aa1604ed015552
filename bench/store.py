"""The embedded store alone: cost, latency and bytes of commits with their upkeep, bytes kept, and queries beside a writer.

python bench/store.py STORE RATE    (a writer of RATE readings a second, for the queries)
"""

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from processes import started
from table import Row

from sensorline.reading import Batch, Readings, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.layout import DAYS, add_summary
from sensorline.stores.sqlite.rollups import Rollups, fold

SECOND_NS, DAY_NS = 10**9, 86_400 * 10**9
T0_NS = 1_790_000_000 * SECOND_NS // DAY_NS * DAY_NS
LIVE_SERIES = 500
BITS = 32
QUERIES = 60
RANGES_S = {
    "1 h": 3_600,
    "1 d": 86_400,
    "30 d": 30 * 86_400,
    "1 y": 365 * 86_400,
    "5 y": 5 * 365 * 86_400,
}
RAW_DAYS, ROLLUP_DAYS = 31, 5 * 365
SETTINGS: dict[str, float] = {"keep_raw_days": 0, "keep_minutes_days": 0}


def written_bytes() -> int:
    """Return what this process has sent to devices (proc(5), /proc/pid/io); it stays where it is on a tmpfs."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def batches(series: int, seconds: int, each: int, first_ns: int = T0_NS) -> Iterator[tuple[int, Batch]]:
    """Yield batches of `each` seconds of series at 1 Hz, as sensors are: walks of two decimals, jitter of milliseconds."""
    rng = random.Random(7)
    names = [Series(f"bench{i // 10}", f"m{i % 10}") for i in range(series)]
    offsets = [rng.randrange(990) * 10**6 for _ in names]
    values = [20.0 + i % 50 for i in range(series)]
    steps = [rng.choice((-0.1, -0.01, 0.0, 0.0, 0.01, 0.1)) for _ in range(4_096)]
    jitter = [rng.randrange(10) * 10**6 for _ in range(4_001)]
    n = 0
    for second in range(0, seconds, each):
        readings = Readings()
        for s in range(second, second + each):
            begin_ns = first_ns + s * SECOND_NS
            for i, name in enumerate(names):
                values[i] = round(values[i] + steps[(n * 7 + i) % 4_096], 2)
                readings.series.append(name)
                readings.time_ns.append(begin_ns + offsets[i] + jitter[n % 4_001])
                readings.value.append(values[i])
                n += 1
        packet_ids = [i % 65_000 + 1 for i in range(n - len(readings), n)]
        digests = [rng.getrandbits(BITS) for _ in packet_ids]
        yield (
            first_ns + (second + each) * SECOND_NS,
            Batch(readings=readings, packet_ids=packet_ids, digests=digests),
        )


class Run:
    """What committing some batches, with a step of upkeep after each, cost."""

    def __init__(self, store: Path, series: int, seconds: int, each: int) -> None:
        writer = SqliteWriter(StoreSettings(path=store, **SETTINGS))  # type: ignore[arg-type]  # one dict of settings of several types
        self.readings, self.cpu_s, self.wall_s = 0, 0.0, 0.0
        self.commits_ms: list[float] = []
        self.steps_ms: list[float] = []
        before = written_bytes()
        now_ns = 0
        for now_ns, batch in batches(series, seconds, each):
            begun_s, cpu_s = time.perf_counter(), time.process_time()
            self.readings += writer.commit(batch).stored
            committed_s = time.perf_counter()
            # As ingest does: one step after each commit, more when nothing comes.
            writer.maintain(now_ns)
            done_s = time.perf_counter()
            self.cpu_s += time.process_time() - cpu_s
            self.wall_s += done_s - begun_s
            self.commits_ms.append((committed_s - begun_s) * 1e3)
            self.steps_ms.append((done_s - committed_s) * 1e3)
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        # All windows are over, and the day.
        for end_ns in (now_ns + 700 * SECOND_NS, now_ns // DAY_NS * DAY_NS + 2 * 3_600 * SECOND_NS):
            while writer.maintain(end_ns):
                pass
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.perf_counter() - begun_s
        self.written = (written_bytes() - before) / self.readings
        writer.close()
        self.kept = store.stat().st_size / self.readings
        self.commits_ms.sort()
        self.steps_ms.sort()

    @property
    def cpu_us(self) -> float:
        """CPU a reading in µs, commit and upkeep."""
        return self.cpu_s / self.readings * 1e6

    def rows(self, what: str) -> list[Row]:
        """Return the rows for commits."""
        p50, p99 = percentile(self.commits_ms, 0.5), percentile(self.commits_ms, 0.99)
        return [
            Row(
                f"store, {what}: CPU with sealing and rollups",
                f"{self.cpu_us:.2f} µs a reading, {self.readings / self.wall_s:,.0f} readings/s",
                "",
                "≤ 3 µs",
                self.cpu_us <= 3,
            ),
            Row(
                f"store, {what}: commit",
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; a step of upkeep p99 {percentile(self.steps_ms, 0.99):.1f} ms",
                "",
                "p99 < 20 ms",
                p99 < 20,
            ),
        ]


def percentile(ordered: list[float], part: float) -> float:
    """Return a percentile of an ordered list."""
    return ordered[int(len(ordered) * part)]


def commits(folder: Path) -> list[Row]:
    """Return the rows for cost and bytes."""
    live = Run(folder / "live.db", LIVE_SERIES, 2_400, 1)
    bulk = Run(folder / "bulk.db", LIVE_SERIES, 2_400, 10)
    day = Run(folder / "day.db", 20, 86_400, 60)
    is_real = live.written > 1
    return [
        *live.rows(f"{LIVE_SERIES} series, one reading each a commit"),
        *bulk.rows(f"{LIVE_SERIES} series, ten readings each a commit"),
        Row(
            f"store, {LIVE_SERIES} series, one reading each a commit: written to the device",
            f"{live.written:.1f} B a reading" if is_real else "not measured: a tmpfs",
            "",
            "≤ 50 B",
            live.written <= 50 if is_real else None,
        ),
        Row(
            "store, a day at 1 Hz, joined: bytes kept, with rollups",
            f"{day.kept:.2f} B a reading; CPU {day.cpu_us:.2f} µs",
            "",
            "≤ 3 B",
            day.kept <= 3,
        ),
    ]


def fill(store: Path) -> Series:
    """Make a store with 31 days of a series at 1 Hz, and rollups of five years, up to now; return the series."""
    series = Series("bench0", "m0")
    now_ns = time.time_ns()
    today = now_ns // DAY_NS
    writer = SqliteWriter(StoreSettings(path=store, **SETTINGS))  # type: ignore[arg-type]  # one dict of settings of several types
    first_ns = (today - RAW_DAYS) * DAY_NS
    for end_ns, batch in batches(1, (now_ns - first_ns) // SECOND_NS // 3_000 * 3_000, 3_000, first_ns):
        writer.commit(batch)
        while writer.maintain(end_ns):
            pass
    writer.close()
    # The years before, as retention leaves them: their single readings are gone.
    writer = SqliteWriter(StoreSettings(path=store, **SETTINGS))  # type: ignore[arg-type]  # one dict of settings of several types
    db = writer._db
    for day in range(today - ROLLUP_DAYS, today - RAW_DAYS):
        minutes = Rollups()
        for i in range(1_440):
            low = 20 + (day + i) % 97 / 10
            minutes.window.append(day * 1_440 + i)
            minutes.n.append(60)
            minutes.low.append(low)
            minutes.mean.append(round(low * 60 + 31.7, 2) / 60)
            minutes.high.append(low + 1)
        db.execute("BEGIN IMMEDIATE")
        DAYS.add_minutes(db, day, 1, minutes)
        add_summary(db, 1, day, fold([minutes], 60))
        db.execute("COMMIT")
    marks_.save(db, marks_.load(db), raw_deleted_before_s=(today - RAW_DAYS) * 86_400)
    writer.close()
    return series


def write(store: Path, rate: int) -> None:
    """Commit `rate` readings a second, ten commits of them, until killed."""
    writer = SqliteWriter(StoreSettings(path=store, **SETTINGS))  # type: ignore[arg-type]  # one dict of settings of several types
    now_ns = time.time_ns() // SECOND_NS * SECOND_NS
    due_s = time.monotonic()
    print("ready", flush=True)
    for end_ns, batch in batches(rate // 10, 10**6, 1, now_ns):
        # A second of readings in a tenth of one: more windows are over, and sealed, than in life.
        writer.commit(batch)
        due_s += 0.1
        while time.monotonic() < due_s:
            if not writer.maintain(end_ns):
                time.sleep(max(due_s - time.monotonic(), 0))


def queries(folder: Path) -> list[Row]:
    """Return the rows for queries while a writer commits 5,000 readings a second."""
    store = folder / "queries.db"
    series = fill(store)
    rows = []
    argv = [sys.executable, __file__, str(store), "5000"]
    with started(argv, folder / "writer.log", stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        time.sleep(10)  # So that there is an unsealed part worth the name.
        reader = SqliteReader(store)
        for name, seconds in RANGES_S.items():
            times_ms = []
            for _ in range(QUERIES):
                end_ns = time.time_ns()
                begun_s = time.perf_counter()
                columns = reader.query(series, end_ns - seconds * SECOND_NS, end_ns, 1_000)
                times_ms.append((time.perf_counter() - begun_s) * 1e3)
                assert len(columns.n) > 100
                time.sleep(0.02)
            times_ms.sort()
            p95 = percentile(times_ms, 0.95)
            rows.append(
                Row(
                    f"store, {name} of a 1 Hz series beside a writer of 5,000 readings/s: query",
                    f"p50 {statistics.median(times_ms):.1f} ms, p95 {p95:.1f} ms",
                    "",
                    "p95 < 50 ms",
                    p95 < 50,
                )
            )
        reader.close()
    return rows


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    return [*commits(folder), *queries(folder)]


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
