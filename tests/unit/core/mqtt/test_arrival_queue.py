"""What has arrived: taken in order, acknowledged on the connection that waits for it, never queued twice."""

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from sensorline.mqtt.arrivals import FLAG_DUP, ArrivalQueue, Arrivals, RawMessage

QOS_1 = 0x02


def message(n: int, *, qos: int = 1, dup: bool = False, payload: bytes = b"") -> RawMessage:
    flags = (qos << 1) | (FLAG_DUP if dup else 0)
    return b"t/%d" % n, payload or b"%d" % n, n if qos else 0, flags, 10**18 + n


def again(m: RawMessage) -> RawMessage:
    return m[0], m[1], m[2], m[3] | FLAG_DUP, m[4] + 5


def queue(max_waiting: int = 1_000) -> ArrivalQueue:
    made = ArrivalQueue(max_waiting)
    made.begin_generation(1)
    return made


def take(q: ArrivalQueue, most: int = 1_000) -> Arrivals:
    taken = q.take(0.0, most)
    assert taken is not None
    return taken


def acknowledge(q: ArrivalQueue, arrivals: Arrivals) -> list[int]:
    sent: list[list[int]] = []
    q.acknowledge(arrivals, sent.append)
    return [packet_id for ids in sent for packet_id in ids]


def test_what_arrives_is_taken_in_order_and_acknowledged_in_order() -> None:
    q = queue()
    q.put([message(3), message(1)])
    q.put([message(2)])
    assert q.waiting_count == 3
    taken = take(q)
    assert [m[2] for m in taken.messages] == [3, 1, 2]
    assert q.waiting_count == 0
    assert acknowledge(q, taken) == [3, 1, 2]


def test_nothing_in_time_is_none() -> None:
    begun_s = time.monotonic()
    assert queue().take(0.02, 10) is None
    assert time.monotonic() - begun_s >= 0.02


@given(st.lists(st.integers(1, 30), max_size=12), st.integers(1, 40))
def test_takes_split_and_merge_but_lose_and_reorder_nothing(sizes: list[int], most: int) -> None:
    q = queue()
    numbers = iter(range(1, 1_000))
    sent = []
    for size in sizes:
        put = [message(next(numbers)) for _ in range(size)]
        sent += put
        q.put(put)
    got: list[RawMessage] = []
    acked: list[int] = []
    while (taken := q.take(0.0, most)) is not None:
        assert 1 <= len(taken.messages) <= most
        got += taken.messages
        acked += acknowledge(q, taken)
    assert got == sent
    assert acked == [m[2] for m in sent]
    assert q.waiting_count == 0


def test_messages_of_two_connections_are_never_taken_together() -> None:
    q = queue()
    q.put([message(1)])
    q.begin_generation(2)
    q.put([message(2)])
    assert [(a.generation, len(a.messages)) for a in (take(q), take(q))] == [(1, 1), (2, 1)]


def test_what_came_on_an_old_connection_is_not_acknowledged_on_the_new_one() -> None:
    q = queue()
    q.put([message(1), message(2)])
    taken = take(q)
    q.begin_generation(2)
    assert acknowledge(q, taken) == []


def test_between_two_connections_nothing_is_acknowledged() -> None:
    q = queue()
    q.put([message(1)])
    taken = take(q)
    q.end_generation()
    assert acknowledge(q, taken) == []
    q.begin_generation(2)
    q.put([again(message(1))])
    assert acknowledge(q, take(q)) == [1]


def test_a_message_that_is_sent_again_keeps_its_place_and_time_and_is_acknowledged_once() -> None:
    q = queue()
    q.put([message(1), message(2), message(3)])
    taken = take(q, 2)
    q.begin_generation(2)
    q.put([again(message(1)), again(message(2)), again(message(3)), message(4)])
    assert q.waiting_count == 2
    assert acknowledge(q, taken) == [1, 2]
    rest = take(q)
    assert rest.messages == [message(3)]
    assert acknowledge(q, rest) == [3]
    last = take(q)
    assert last.messages == [message(4)]
    assert acknowledge(q, last) == [4]


def test_only_the_redelivered_ones_of_an_old_connection_are_acknowledged() -> None:
    q = queue()
    q.put([message(1), message(2), message(3)])
    q.begin_generation(2)
    q.put([again(message(2))])
    assert acknowledge(q, take(q)) == [2]


def test_connections_may_break_again_and_again_without_a_second_copy() -> None:
    q = queue()
    q.put([message(i) for i in range(1, 11)])
    taken = take(q, 4)
    for generation in range(2, 30):
        q.begin_generation(generation)
        q.put([again(message(i)) for i in range(1, 11)])
        assert q.waiting_count == 6
    assert acknowledge(q, taken) == [1, 2, 3, 4]
    assert acknowledge(q, take(q)) == [5, 6, 7, 8, 9, 10]
    assert q.take(0.0, 10) is None


def test_another_message_with_the_same_packet_identifier_is_another_message() -> None:
    q = queue()
    q.put([message(1)])
    old = take(q)
    q.begin_generation(2)
    other = message(1, payload=b"other")
    for m in (other, again(message(1, payload=b"third"))):
        q.put([m])
    assert acknowledge(q, old) == []
    assert [m[1] for m in take(q).messages] == [b"other", b"third"]


def test_a_message_without_the_dup_flag_is_new_even_if_it_looks_the_same() -> None:
    q = queue()
    q.put([message(1)])
    q.begin_generation(2)
    q.put([message(1)])
    assert q.waiting_count == 2


def test_a_message_that_was_acknowledged_and_comes_again_is_handed_over() -> None:
    q = queue()
    q.put([message(1)])
    taken = take(q)
    q.begin_generation(2)
    acknowledge(q, taken)
    q.put([again(message(1))])
    second = take(q)
    assert second.generation == 2
    assert acknowledge(q, second) == [1]


def test_the_adopted_message_is_acknowledged_after_its_own_commit_not_after_an_older_namesakes() -> None:
    """A broker that lost its session gives packet identifier 1 to a new message while the old one still waits."""
    q = queue()
    q.put([message(1, payload=b"old")])
    q.begin_generation(2)
    q.put([message(1, payload=b"new")])
    q.begin_generation(3)
    q.put([again(message(1, payload=b"new"))])
    old, new = take(q), take(q)
    assert (old.messages[0][1], new.messages[0][1]) == (b"old", b"new")
    assert acknowledge(q, old) == []
    assert acknowledge(q, new) == [1]


def test_acknowledgements_are_in_order_also_when_one_was_lost_whose_message_comes_again_before_others() -> (
    None
):
    """[MQTT-4.6.0-2] Message 1 was acknowledged, which the broker never heard; 2 and 3 still wait."""
    q = queue()
    q.put([message(1), message(2), message(3)])
    assert acknowledge(q, take(q, 1)) == [1]
    q.begin_generation(2)
    q.put([again(message(1)), again(message(2)), again(message(3)), message(4)])
    assert acknowledge(q, take(q)) == []
    assert acknowledge(q, take(q)) == [1, 2, 3, 4]
    q.put([message(5), message(6)])
    assert acknowledge(q, take(q)) == [5, 6]


@given(st.data())
def test_whatever_breaks_each_connection_is_acknowledged_in_its_order_and_in_the_end_whole(
    data: st.DataObject,
) -> None:
    """A broker with a window: it sends again, in order, what it has not heard of; acknowledgements may be lost with a connection."""
    q = queue(100)
    unheard: list[RawMessage] = []
    delivered: list[int] = []
    acknowledged: list[int] = []
    generation, following = 1, 0
    for step in data.draw(st.lists(st.sampled_from(["send", "work", "cut", "cut_unheard"]), max_size=40)):
        if step == "send":
            new = [message(following + i + 1) for i in range(data.draw(st.integers(1, 5)))]
            following += len(new)
            q.put(new)
            unheard += new
            delivered += [m[2] for m in new]
        elif step == "work":
            taken = q.take(0.0, data.draw(st.integers(1, 6)))
            acknowledged += acknowledge(q, taken) if taken else []
            assert acknowledged == delivered[: len(acknowledged)]
        else:
            if step == "cut":
                unheard = [m for m in unheard if m[2] not in acknowledged]
            generation += 1
            q.end_generation()
            q.begin_generation(generation)
            q.put([again(m) for m in unheard])
            delivered, acknowledged = [m[2] for m in unheard], []
    while taken := q.take(0.0, 3):
        acknowledged += acknowledge(q, taken)
    assert acknowledged == delivered


def test_qos_0_is_dropped_and_counted_above_the_bound_and_qos_1_never() -> None:
    q = queue(max_waiting=10)
    q.put([message(i, qos=0) for i in range(11)])
    q.put([message(1), message(2, qos=0), message(3), message(4, qos=0)])
    q.put([message(5, qos=0)])
    assert q.dropped_qos0 == 3
    assert q.waiting_count == 13
    assert acknowledge(q, take(q)) == [1, 3]
    q.put([message(6, qos=0)])
    assert q.dropped_qos0 == 3
    assert len(take(q).messages) == 1


def test_lingering_waits_for_company() -> None:
    q = queue()
    q.put([message(1)])
    late = threading.Timer(0.02, lambda: q.put([message(2)]))
    late.start()
    taken = q.take(1.0, 2, linger_s=5.0)
    late.join()
    assert taken is not None
    assert len(taken.messages) == 2


def test_lingering_ends_at_its_time_and_is_skipped_when_there_is_enough() -> None:
    q = queue()
    q.put([message(1)])
    begun_s = time.monotonic()
    assert len((q.take(1.0, 2, linger_s=0.03) or Arrivals(0, [])).messages) == 1
    assert time.monotonic() - begun_s >= 0.03
    q.put([message(2), message(3)])
    begun_s = time.monotonic()
    assert q.take(1.0, 2, linger_s=30.0) is not None
    assert time.monotonic() - begun_s < 5


def test_closing_wakes_who_waits_and_what_waits_can_still_be_taken() -> None:
    q = queue()
    threading.Timer(0.02, q.close).start()
    begun_s = time.monotonic()
    assert q.take(30.0, 10) is None
    assert time.monotonic() - begun_s < 5
    q.put([message(1)])
    assert len(take(q).messages) == 1


def test_one_thread_puts_while_another_takes_and_acknowledges() -> None:
    q = queue()
    total = 20_000

    def feed() -> None:
        for i in range(0, total, 50):
            q.put([message(j % 65_535 + 1) for j in range(i, i + 50)])

    feeder = threading.Thread(target=feed)
    feeder.start()
    acked: list[int] = []
    deadline_s = time.monotonic() + 20
    while len(acked) < total and time.monotonic() < deadline_s:
        if (taken := q.take(0.1, 500)) is not None:
            acked += acknowledge(q, taken)
    feeder.join()
    assert acked == [j % 65_535 + 1 for j in range(total)]


def test_without_the_old_session_nothing_is_adopted_and_the_session_number_tells() -> None:
    """A broker that forgot the session may give packet identifier 1 to an equal, but new, message."""
    q = queue()
    q.put([message(1)])
    q.begin_generation(2, session_present=False)
    q.put([again(message(1))])
    old, new = take(q), take(q)
    assert (len(old.messages), len(new.messages)) == (1, 1)
    assert new.session == old.session + 1
    assert acknowledge(q, old) == []
    assert acknowledge(q, new) == [1]
