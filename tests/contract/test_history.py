"""A history that comes long after it happened, and in parts, is seen to its end."""

from typing import Any

from sensorline.reading import Series

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
ATTIC = Series("attic", "temperature")


def test_a_history_of_long_ago_that_comes_in_parts_is_seen_to_its_end(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 1.0)))
    now_ns = batch.t0_ns + 60 * SECOND_NS
    while store.writer.maintain(now_ns):
        pass
    for part in range(3):
        first_ns = -30 * DAY_NS + part * 3_600 * SECOND_NS
        pairs = [(first_ns + i * 60 * SECOND_NS, part * 10.0 + i) for i in range(10)]
        store.writer.commit(batch.readings(*pairs, series=ATTIC))
        for most in (1_000, 1):
            columns = store.reader.query(ATTIC, batch.t0_ns - 31 * DAY_NS, batch.t0_ns, most)
            assert sum(columns.n) == (part + 1) * 10, f"after part {part}, at most {most} points"
        newest = {info.series: info.value for info in store.reader.latest()}
        assert newest[ATTIC] == part * 10.0 + 9
