"""Waiting for company: as long as it pays, and without being woken for each message."""

import threading
import time

from sensorline.mqtt.arrivals import ArrivalQueue, RawMessage


def message(n: int) -> RawMessage:
    return b"t/%d" % n, b"%d" % n, n, 0x02, 10**18 + n


def queue() -> ArrivalQueue:
    made = ArrivalQueue(1_000_000)
    made.begin_generation(1)
    return made


def test_lingering_goes_on_while_messages_stream_in_and_not_for_ever() -> None:
    q = queue()
    q.put([message(1)])
    streaming = threading.Event()

    def stream() -> None:
        while not streaming.wait(0.001):
            q.put([message(n) for n in range(1, 65)])

    streamer = threading.Thread(target=stream)
    streamer.start()
    begun_s = time.monotonic()
    taken = q.take(1.0, 1_000_000, linger_s=0.05)
    took_s = time.monotonic() - begun_s
    streaming.set()
    streamer.join()
    assert taken is not None
    assert 0.09 < took_s < 5, "at least twice, and at most a few times"


def test_who_lingers_is_woken_for_nothing_less_than_enough() -> None:
    q = queue()
    q.put([message(1)])
    woken: list[int] = []
    wait = q._changed.wait

    def counted(timeout_s: float | None = None) -> bool:
        done = wait(timeout_s)
        woken.append(q.waiting_count)
        return done

    q._changed.wait = counted  # type: ignore[method-assign]  # counts, and does the same
    feeder = threading.Thread(target=lambda: [q.put([message(n)]) for n in range(2, 51)])
    feeder.start()
    taken = q.take(1.0, 50, linger_s=5.0)
    feeder.join()
    assert taken is not None
    assert len(taken.messages) == 50
    assert len(woken) <= 2
