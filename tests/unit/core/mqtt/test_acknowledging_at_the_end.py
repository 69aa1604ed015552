"""A connection that ends while a batch is being acknowledged: nothing may reach the next one before its CONNECT."""

import threading

from sensorline.mqtt.arrivals import ArrivalQueue, Arrivals

WAIT_S = 5.0


def one_message_taken() -> tuple[ArrivalQueue, Arrivals]:
    queue = ArrivalQueue(10)
    queue.begin_generation(1)
    queue.put([(b"sensors/a/b", b"1", 7, 0x02, 0)])
    arrivals = queue.take(WAIT_S, 10)
    assert arrivals is not None
    return queue, arrivals


def test_the_end_of_a_connection_waits_for_an_acknowledgement_that_is_being_sent() -> None:
    queue, arrivals = one_message_taken()
    sending, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()
    sent_before_end: list[bool] = []

    def send(ids: list[int]) -> None:
        sending.set()
        assert may_go_on.wait(WAIT_S)
        sent_before_end.append(not ended.is_set())

    worker = threading.Thread(target=queue.acknowledge, args=(arrivals, send))
    network = threading.Thread(target=lambda: (queue.end_generation(), ended.set()))
    worker.start()
    assert sending.wait(WAIT_S)
    network.start()
    assert not ended.wait(0.05)
    may_go_on.set()
    worker.join(WAIT_S)
    network.join(WAIT_S)
    assert sent_before_end == [True]
    assert ended.is_set()


def test_after_the_end_of_a_connection_nothing_is_sent_until_the_next_one() -> None:
    queue, arrivals = one_message_taken()
    sent: list[list[int]] = []
    queue.end_generation()
    queue.acknowledge(arrivals, sent.append)
    assert sent == []
    # The broker sends it again, and it goes the ordinary way: the service knows it by its receipt.
    queue.begin_generation(2)
    queue.put([(b"sensors/a/b", b"1", 7, 0x0A, 0)])
    again = queue.take(WAIT_S, 10)
    assert again is not None
    queue.acknowledge(again, sent.append)
    assert sent == [[7]]
