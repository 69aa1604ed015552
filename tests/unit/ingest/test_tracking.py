"""Tracking in the pipeline, with the embedded store: events, accounts and counts, also across restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.tracked import MS, NOW_MS, Ingest

from sensorline.decoders import build_decoders
from sensorline.events import EventKind
from sensorline.reading import Batch, Settled
from sensorline.stores.sqlite import SqliteReader
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

S = 10**9


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    made = Ingest(tmp_path / "a.db")
    yield made
    made.writer.close()


def numbered(ingest: Ingest, seq: int) -> None:
    ingest.send(f'{{"value":{seq},"ts":{ingest.now_ms},"seq":{seq}}}')
    ingest.now_ms += 1_000


def test_numbers_that_never_came_are_an_event_in_the_store_and_a_count_everywhere(ingest: Ingest) -> None:
    for seq in (1, 2, 3, 7, 8):
        numbered(ingest, seq)
    assert ingest.told() == []
    ingest.now_ms += 5_000
    ingest.tick()
    (event,) = ingest.told()
    assert (event.kind, event.device, event.count, event.ranges) == (EventKind.MISSING, "desk", 3, [(4, 6)])
    assert (event.start_ns, event.end_ns) == ((NOW_MS + 2_000) * MS, (NOW_MS + 3_000) * MS)
    reader = SqliteReader(ingest.path)
    (account,) = reader.accounts()
    reader.close()
    assert (account.received, account.stored, account.missing) == (5, 5, 3)
    assert ingest.counted("readings_missing") == 3
    assert (
        ingest.metrics.registry.get_sample_value("sensorline_ingest_device_missing", {"device": "desk"}) == 3
    )


@pytest.mark.parametrize("stop", ["close", "kill"])
def test_what_is_missing_is_known_after_a_restart_and_shrinks_then(ingest: Ingest, stop: str) -> None:
    for seq in (1, 2, 3, 7, 8):
        numbered(ingest, seq)
    ingest.now_ms += 5_000
    ingest.tick()
    if stop == "kill":
        ingest.kill()
    else:
        ingest.writer.close()
        ingest.start()
    numbered(ingest, 9)
    assert ingest.account().missing == 3
    for seq in (4, 5, 6):
        ingest.send(f'{{"value":{seq},"ts":{NOW_MS + seq},"seq":{seq}}}')
    ingest.now_ms += 5_000
    ingest.tick()
    assert ingest.account().missing == 0
    assert {event.kind for event in ingest.told()} == {EventKind.LATE, EventKind.OUT_OF_ORDER}
    assert ingest.account().received == 9


def test_a_hole_across_a_restart_of_ingest_is_seen(ingest: Ingest) -> None:
    for seq in range(10):
        numbered(ingest, seq)
    ingest.kill()
    numbered(ingest, 12)
    assert ingest.pipeline.tracker.books.by_name["desk"].numbers.ranges() == [(10, 11)]


def test_thirty_seven_readings_removed_from_ten_thousand_within_arrays(ingest: Ingest) -> None:
    lost = {*range(1_000, 1_030), 2_222, 2_224, *range(7_777, 7_782)}
    for begin in range(0, 10_000, 500):
        if begin == 5_000:
            ingest.kill()
        items = ",".join(
            f'{{"value":{n},"ts":{NOW_MS + n},"seq":{n}}}' for n in range(begin, begin + 500) if n not in lost
        )
        ingest.send(f"[{items}]")
    ingest.now_ms += 60_000
    ingest.tick()
    assert ingest.account().missing == len(lost) == 37
    events = ingest.told()
    assert sum(event.count for event in events) == 37
    ranges = sorted(r for event in events for r in event.ranges)
    assert ranges == [(1_000, 1_029), (2_222, 2_222), (2_224, 2_224), (7_777, 7_781)]


def test_one_number_for_all_metrics_of_an_object(ingest: Ingest) -> None:
    for seq in (1, 2, 5):
        ingest.send(f'{{"t":1,"h":2,"p":3,"ts":{NOW_MS + seq * 1000},"seq":{seq}}}', "sensors/desk")
    numbers = ingest.pipeline.tracker.books.by_name["desk"].numbers
    assert numbers.ranges() == [(3, 4)]
    (hole,) = numbers.runs[0].holes
    assert (hole.before_ns, hole.after_ns) == ((NOW_MS + 2_000) * MS, (NOW_MS + 5_000) * MS)


def test_a_rejected_reading_is_not_missing(ingest: Ingest) -> None:
    ingest.send(
        f'[{{"value":1,"ts":{NOW_MS},"seq":1}},{{"value":"x","seq":2}},{{"value":3,"ts":{NOW_MS + 2},"seq":3}}]'
    )
    ingest.send('{"value":"x","seq":4}')
    numbered(ingest, 5)
    account = ingest.account()
    assert account.missing == 0
    assert (account.received, account.stored, account.rejected) == (5, 3, 2)


def test_the_books_balance(ingest: Ingest) -> None:
    numbered(ingest, 1)
    again = f'{{"value":5,"ts":{NOW_MS},"seq":2}}'
    ingest.send(again, packet_id=7)
    ingest.send(again, packet_id=7, dup=True)
    ingest.send(again, packet_id=8)
    ingest.send("hello", packet_id=9)
    ingest.send("1", "other/topic")
    for restarts in range(2):
        totals = ingest.pipeline.totals
        assert (totals.stored, totals.rejected, totals.duplicates) == (2, 2, 2)
        assert totals.accepted == totals.stored + totals.rejected + totals.duplicates
        account = ingest.account()
        discarded = ingest.pipeline.tracker._repeated.total() + account.duplicates
        assert (account.received, account.rejected, discarded) == (5, 1, 2)
        if not restarts:
            assert ingest.counted("readings_accepted_total") == 6
            assert ingest.counted("readings_discarded_total") == 2
            ingest.now_ms += 20_000
            ingest.tick()
            ingest.kill()
    assert account.stored == 2


def test_repetitions_of_a_commit_that_was_the_last_before_a_kill_are_known(ingest: Ingest) -> None:
    body = f'[{{"value":1,"ts":{NOW_MS}}},{{"value":2,"ts":{NOW_MS + 1}}}]'
    ingest.send("1", "sensors/other/t")
    ingest.send(body)
    ingest.send(body)
    # Nothing of what the store said of the last one is durable yet.
    ingest.kill()
    totals = ingest.pipeline.totals
    assert (totals.accepted, totals.stored, totals.duplicates) == (5, 3, 2)
    ingest.now_ms += 20_000
    ingest.tick()
    account = ingest.account()
    assert (account.received, account.stored, account.duplicates) == (4, 2, 2)
    # Once is enough.
    ingest.kill()
    assert ingest.pipeline.totals.duplicates == 2


def test_repetitions_are_counted_for_the_device_that_sent_them(ingest: Ingest) -> None:
    ingest.send(f'{{"value":1,"ts":{NOW_MS}}}')
    ingest.kill()
    ingest.take(
        (b"sensors/desk/t", f'{{"value":1,"ts":{NOW_MS}}}'.encode(), 0, 0, NOW_MS * MS),
        (b"sensors/other/t", b"1", 0, 0, NOW_MS * MS),
        (b"sensors/other/u", b"1", 0, 0, NOW_MS * MS),
    )
    ingest.now_ms += 20_000
    ingest.tick()
    assert (ingest.account().duplicates, ingest.account("other").duplicates) == (1, 0)


def test_repetitions_of_the_last_commit_before_a_kill_are_counted_for_the_device_that_sent_them(
    ingest: Ingest,
) -> None:
    body = f'[{{"value":1,"ts":{NOW_MS}}},{{"value":2,"ts":{NOW_MS + 1}}}]'.encode()
    ingest.take((b"sensors/desk/t", body, 0, 0, NOW_MS * MS))
    ingest.take(
        *((f"sensors/other/{metric}".encode(), b"1", 0, 0, NOW_MS * MS) for metric in "abcdef"),
        (b"sensors/desk/t", body, 0, 0, NOW_MS * MS),
        (b"sensors/desk/u", b"1", 0, 0, NOW_MS * MS),
    )
    ingest.kill()
    ingest.now_ms += 20_000
    ingest.tick()
    desk, other = ingest.account(), ingest.account("other")
    assert (desk.received, desk.stored, desk.duplicates) == (5, 3, 2)
    assert (other.received, other.stored, other.duplicates) == (6, 6, 0)


def test_repetitions_that_a_store_finds_long_after_a_restart_are_counted_for_their_device(
    ingest: Ingest,
) -> None:
    numbered(ingest, 1)
    numbered(ingest, 2)
    ingest.kill()
    ingest.send("1", "sensors/other/t")
    ingest.pipeline.tracker.settled(Settled(repeated=1, repeats={"desk": 1}))
    ingest.now_ms += 20_000
    ingest.tick()
    assert (ingest.account().duplicates, ingest.account("other").duplicates) == (1, 0)


def test_accounts_that_the_process_before_did_not_write_are_written_after_a_kill(ingest: Ingest) -> None:
    numbered(ingest, 1)
    numbered(ingest, 2)
    ingest.kill()
    batch = ingest.tick()
    assert batch is not None
    assert [account.received for account in batch.accounts] == [2]


def test_a_silent_device_is_told_of_and_its_return(ingest: Ingest) -> None:
    for _ in range(20):
        ingest.send("1")
        ingest.wait(2)
    heard_ns = (ingest.now_ms - 2_000) * MS
    assert ingest.account().interval_s == 2
    ingest.wait(6, is_listening=False)
    assert ingest.events == []
    ingest.wait(1)
    (silence,) = ingest.told()
    assert (silence.kind, silence.device, silence.start_ns, silence.end_ns) == (
        EventKind.SILENT,
        "desk",
        heard_ns,
        None,
    )
    ingest.kill()
    ingest.wait(60)
    ingest.send("1")
    (ended,) = ingest.told()
    assert (ended.id, ended.end_ns) == (silence.id, ingest.now_ms * MS)
    assert ingest.account().interval_s == 2


def test_the_announced_interval_counts_and_nobody_is_silent_to_one_who_did_not_listen(ingest: Ingest) -> None:
    ingest.send('{"interval_s":60}', "sensors/desk/$meta")
    ingest.send("1")
    ingest.wait(179)
    assert ingest.events == []
    # The connection broke and came back.
    ingest.pipeline.tracker.listen(ingest.now_ms * MS)
    ingest.wait(90)
    # The disk was full for a minute: nothing was taken meanwhile.
    ingest.now_ms += 60_000
    ingest.wait(180)
    assert ingest.events == []
    ingest.wait(2)
    assert [event.kind for event in ingest.events] == [EventKind.SILENT]


def test_a_device_without_a_rhythm_is_never_silent(ingest: Ingest) -> None:
    for gap_s in (1, 30, 2, 40, 7, 1, 90, 3, 6, 5, 1, 36, 2, 30, 90, 1, 70):
        ingest.send("1")
        ingest.wait(gap_s)
    ingest.wait(400)
    assert ingest.events == []


def test_a_device_that_speaks_in_bursts_is_soon_not_called_silent_after_each(ingest: Ingest) -> None:
    def burst() -> None:
        for _ in range(25):
            ingest.send("1")
            pass_by(2)
        pass_by(100)

    def pass_by(seconds: int) -> None:
        for _ in range(seconds):
            ingest.now_ms += 1_000
            ingest.tick()

    for _ in range(5):
        burst()
    told = len(ingest.events)
    assert told
    for _ in range(20):
        burst()
    assert ingest.events[told:] == []
    assert ingest.account().interval_s is None
    # With a rhythm kept for long enough it is trusted again.
    for _ in range(600):
        ingest.send("1")
        pass_by(2)
    pass_by(10)
    assert [event.kind for event in ingest.events[told:]] == [EventKind.SILENT]


def test_late_and_out_of_order_readings_are_counted(ingest: Ingest) -> None:
    numbered(ingest, 1)
    ingest.send(
        f'[{{"value":2,"ts":{NOW_MS - 60_000}}},{{"value":3,"ts":{NOW_MS - 50_000}}},{{"value":4,"ts":{NOW_MS}}}]'
    )
    account = ingest.account()
    assert (account.late, account.out_of_order) == (2, 2)
    assert ingest.counted("readings_late_total") == 2
    assert ingest.counted("readings_out_of_order_total") == 2
    ingest.kill()
    account = ingest.account()
    assert (account.late, account.out_of_order) == (2, 2)


def test_a_reading_is_not_late_within_three_intervals(ingest: Ingest) -> None:
    ingest.send('{"interval_s":60}', "sensors/desk/$meta")
    ingest.send(f'{{"value":2,"ts":{NOW_MS - 170_000}}}')
    ingest.send(f'{{"value":2,"ts":{NOW_MS - 190_000}}}')
    assert ingest.account().late == 1


def test_a_clock_that_is_ahead_or_behind_is_told_of_in_a_sentence(ingest: Ingest) -> None:
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms + 30_000}}}')
    (ahead,) = ingest.told()
    assert (ahead.kind, ahead.end_ns, ahead.detail) == (EventKind.CLOCK, None, "Its clock is 30 s ahead.")
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms + 1}}}')
    (ended,) = [event for event in ingest.told() if event.kind is EventKind.CLOCK]
    assert ended.end_ns is not None
    for _ in range(40):
        ingest.send(f'{{"value":1,"ts":{ingest.now_ms - 3_600_000}}}', "sensors/attic/t")
        ingest.now_ms += 10_000
    behind = [e for e in ingest.events if e.device == "attic" and e.kind is not EventKind.LATE]
    assert [event.kind for event in behind] == [EventKind.CLOCK]
    assert "3,600 s old" in behind[0].detail


def test_a_session_that_the_broker_forgot_is_told_of(ingest: Ingest) -> None:
    ingest.pipeline.tracker.listen(ingest.now_ms * MS, session_lost=True)
    assert ingest.tick() is None
    ingest.send("1")
    last_commit_ns = ingest.now_ms * MS
    ingest.kill()
    ingest.now_ms += 600_000
    ingest.pipeline.tracker.listen(ingest.now_ms * MS, session_lost=True)
    ingest.tick()
    (lost,) = ingest.told()
    assert (lost.kind, lost.device, lost.start_ns, lost.end_ns) == (
        EventKind.SESSION_LOST,
        "",
        last_commit_ns,
        ingest.now_ms * MS,
    )


def test_a_store_that_was_away_for_long_is_told_of(ingest: Ingest) -> None:
    troubles = ingest.pipeline.tracker.troubles
    troubles.store_away(NOW_MS * MS, (NOW_MS + 20_000) * MS, "the disk is full")
    troubles.store_back((NOW_MS + 21_000) * MS)
    assert ingest.tick() is None
    for second in range(25, 70):
        troubles.store_away((NOW_MS + 25_000) * MS, (NOW_MS + second * 1_000) * MS, "the disk is full")
    troubles.store_back((NOW_MS + 70_000) * MS)
    ingest.tick()
    (away,) = ingest.told()
    assert (away.kind, away.detail) == (EventKind.STORE, "the disk is full")
    assert (away.start_ns, away.end_ns) == ((NOW_MS + 25_000) * MS, (NOW_MS + 70_000) * MS)


def health(refused: int, problem: str = "") -> str:
    return f'{{"refused":{refused},"waiting":9,"problem":"{problem}"}}'


def test_readings_that_a_node_refused_are_told_of_and_counted(ingest: Ingest) -> None:
    topic = "sensors/desk/$health"
    ingest.send("1")
    ingest.send(health(0), topic)
    ingest.now_ms += 60_000
    ingest.send(health(5, "the outbox is full"), topic)
    ingest.kill()
    # What the broker retains comes again at each start.
    ingest.send(health(5, "the outbox is full"), topic)
    ingest.send(health(12, "the outbox is full"), topic)
    (going_on,) = ingest.told()
    assert (going_on.kind, going_on.count, going_on.start_ns, going_on.end_ns) == (
        EventKind.REFUSED,
        12,
        NOW_MS * MS,
        None,
    )
    ingest.now_ms += 1_000
    ingest.send(health(12), topic)
    (ended,) = ingest.told()
    assert (ended.count, ended.end_ns) == (12, ingest.now_ms * MS)
    # The node began anew.
    ingest.send(health(3, "the outbox is full"), topic)
    assert ingest.account().refused == 15


def test_accounts_of_changed_devices_are_written_at_most_every_ten_seconds(ingest: Ingest) -> None:
    written = 0
    for _ in range(100):
        written += len(ingest.send("1").accounts)
        ingest.now_ms += 200
    assert written in (2, 3)
    ingest.now_ms += 20_000
    batch = ingest.tick()
    assert batch is not None
    assert [account.received for account in batch.accounts] == [100]
    assert ingest.tick() is None


def test_notes_that_cannot_be_read_do_not_keep_ingest_from_starting(ingest: Ingest) -> None:
    ingest.writer.commit(Batch(notes=b"\xff\xff"))
    ingest.kill()
    numbered(ingest, 1)
    assert ingest.account().received == 1


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_snapshot_changes_nothing_whether_it_is_kept_or_its_transaction_fails(
    ingest: Ingest, is_kept: bool
) -> None:
    body = f'{{"value":1,"ts":{NOW_MS}}}'
    ingest.send(body, packet_id=7)
    ingest.send(body, packet_id=7, dup=True)
    ingest.send(body, packet_id=8)
    tracker = ingest.pipeline.tracker
    assert tracker._snapshot() == tracker._snapshot()
    if is_kept:
        notes, journal = ingest.writer._state.notes, ingest.writer._state.journal
        with ingest.writer._state.transaction():
            notes.save(ingest.writer._db, journal.newest)
        notes.saved(journal.newest)
    ingest.send(f'{{"value":2,"ts":{NOW_MS + 1}}}')
    ingest.kill()
    assert ingest.account().duplicates == ingest.pipeline.totals.duplicates == 2


def test_what_is_unsaid_is_kept_by_the_snapshot_of_an_orderly_end(ingest: Ingest) -> None:
    body = f'{{"value":1,"ts":{NOW_MS}}}'
    ingest.send(body, packet_id=7)
    ingest.send(body, packet_id=7, dup=True)
    ingest.send(body, packet_id=8)
    for _ in range(2):
        ingest.writer.close()
        ingest.start()
        assert ingest.pipeline.totals.duplicates == 2
    ingest.now_ms += 20_000
    ingest.tick()
    assert ingest.account().duplicates == 2


def test_what_is_told_is_the_same_after_a_kill_whatever_part_of_a_millisecond_it_is(ingest: Ingest) -> None:
    def numbered_at(seq: int, at_ns: int) -> None:
        body = f'{{"value":1,"ts":{NOW_MS + seq},"seq":{seq}}}'.encode()
        ingest.take((b"sensors/desk/t", body, 0, 0, at_ns))

    # The hole is told of after 5 s: here, at 5 s less a millisecond and a part of one.
    numbered_at(1, NOW_MS * MS)
    numbered_at(3, NOW_MS * MS)
    numbered_at(4, (NOW_MS + 5_000) * MS + 999_999)
    numbered_at(6, (NOW_MS + 5_000) * MS + 999_999)
    numbered_at(7, (NOW_MS + 7_000) * MS + 1)
    numbered_at(5, (NOW_MS + 7_000) * MS + 1)
    before = ingest.pipeline.tracker.books.snapshot()
    ingest.kill()
    assert ingest.pipeline.tracker.books.snapshot() == before


def test_what_the_store_does_not_have_is_shown_and_told_after_a_minute(
    ingest: Ingest,
) -> None:
    for seq in range(5):
        numbered(ingest, seq)
    ingest.send("hello")
    ingest.pipeline.reconcile(0.0)
    assert ingest.pipeline.totals.unaccounted == 0
    assert ingest.counted("readings_unaccounted") == 0
    ingest.writer._db.execute("UPDATE counter SET n = n - 2 WHERE name = 'readings'")
    with capture_logs() as logs:
        ingest.pipeline.reconcile(0.5)
        assert ingest.counted("readings_unaccounted") == 0
        for now_s in (1.0, 60.0):
            ingest.pipeline.reconcile(now_s)
            assert (ingest.counted("readings_unaccounted"), logs) == (2, [])
        ingest.pipeline.reconcile(61.0)
        ingest.pipeline.reconcile(90.0)
        (told,) = logs
        assert (told["event"], told["log_level"], told["readings"]) == ("readings_unaccounted", "warning", 2)
        totals = ingest.pipeline.totals
        assert (totals.accepted, totals.stored, totals.rejected, totals.unaccounted) == (6, 3, 1, 2)
    ingest.writer._db.execute("UPDATE counter SET n = n + 2 WHERE name = 'readings'")
    ingest.pipeline.reconcile(120.0)
    assert ingest.counted("readings_unaccounted") == 0


@pytest.mark.parametrize("lost", ["readings", "dead_letters"])
def test_what_the_store_has_lost_is_missed_after_a_restart_too(ingest: Ingest, lost: str) -> None:
    for seq in range(3):
        ingest.send(f'{{"value":{seq},"ts":{NOW_MS + seq}}}')
        ingest.send("hello", topic="not/ours")
    ingest.kill()
    assert ingest.pipeline.totals.unaccounted == 0
    ingest.writer._db.execute("UPDATE counter SET n = n - 2 WHERE name = ?", (lost,))
    ingest.writer.close()
    ingest.start()
    ingest.pipeline.reconcile(0.0)
    assert ingest.counted("readings_unaccounted") == 2


def test_a_store_that_was_filled_before_anybody_counted_is_no_difference(ingest: Ingest) -> None:
    cardinality = Cardinality((), 10, 10)
    batch = Pipeline(build_decoders(), ingest.writer, cardinality, IngestMetrics()).decode(
        [(b"sensors/desk/t", b"1", 0, 0, NOW_MS * MS), (b"sensors/desk/t", b"x", 0, 0, NOW_MS * MS)]
    )
    batch.notes = b""
    ingest.writer.commit(batch)
    ingest.kill()
    for _ in range(2):
        ingest.send("hello")
        totals = ingest.pipeline.totals
        assert totals.unaccounted == 0
        ingest.kill()
    assert (totals.accepted, totals.stored, totals.rejected) == (4, 1, 3)


def test_what_is_not_committed_yet_is_not_accepted_yet(ingest: Ingest) -> None:
    numbered(ingest, 1)
    batch = ingest.pipeline.decode([(b"sensors/desk/t", b"2", 0, 0, ingest.now_ms * MS)])
    assert (ingest.pipeline.totals.accepted, ingest.pipeline.totals.unaccounted) == (1, 0)
    ingest.pipeline.reconcile(0.0)
    ingest.pipeline.commit(batch)
    assert (ingest.pipeline.totals.accepted, ingest.pipeline.totals.unaccounted) == (2, 0)
    assert ingest.counted("readings_accepted_total") == 2
