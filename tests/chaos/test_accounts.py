"""The checker finds what it is there to find: each kind of loss, duplicate and surprise, and nothing where all is well."""

from collections import Counter

from tests.chaos.accounts import Account, node_account, plain_account, strangers
from tests.chaos.core_link import IngestConnection, Witness
from tests.chaos.node import Taken
from tests.chaos.numbering import value_of
from tests.chaos.publisher import Sent
from tests.support import wire

from sensorline.reading import DeadLetter

DEVICE = "node-a"
Rows = dict[tuple[str, str], list[tuple[int, float]]]


def taken(*numbers: int) -> dict[int, Taken]:
    return {n: Taken("m0", 1_000 + n, value_of(DEVICE, n)) for n in numbers}


def rows(*numbers: int) -> Rows:
    return {(DEVICE, "m0"): [((1_000 + n) * 10**6, value_of(DEVICE, n)) for n in numbers]}


def counts(account: Account) -> tuple[int, int, int]:
    assert bool(account.faults) == bool(account.lost or account.duplicated or account.unexpected)
    return account.lost, account.duplicated, account.unexpected


def test_a_node_whose_readings_are_all_there_has_no_fault() -> None:
    account = node_account(DEVICE, 4, taken(0, 1, 2), rows(0, 1, 2, 3))
    assert counts(account) == (0, 0, 0)
    assert account.recovered == 1


def test_a_reading_that_was_taken_and_is_not_there_is_lost() -> None:
    assert counts(node_account(DEVICE, 3, taken(0, 1, 2), rows(0, 2))) == (1, 0, 0)


def test_a_reading_that_is_there_twice_is_duplicated() -> None:
    stored = rows(0, 1)
    stored[DEVICE, "m0"].append((1_001 * 10**6 + 1, value_of(DEVICE, 1)))
    assert counts(node_account(DEVICE, 2, taken(0, 1), stored)) == (0, 1, 0)


def test_a_reading_that_nobody_gave_is_unexpected_and_so_is_another_time_series_or_value() -> None:
    assert counts(node_account(DEVICE, 1, taken(0), rows(0, 1))) == (0, 0, 1)
    moved = {(DEVICE, "m0"): [(999 * 10**6, value_of(DEVICE, 0))]}
    assert counts(node_account(DEVICE, 1, taken(0), moved)) == (0, 0, 1)
    assert counts(node_account(DEVICE, 1, taken(0), {(DEVICE, "m1"): rows(0)[DEVICE, "m0"]})) == (0, 0, 1)
    other = {(DEVICE, "m0"): [(1_000 * 10**6, value_of("node-b", 0))]}
    assert counts(node_account(DEVICE, 1, taken(0), other))[2] == 1
    assert strangers({("nobody", "m"): []}, {DEVICE}) == ["unexpected series nobody m"]


def message(number: int, kind: str, *, is_bad: bool = False) -> Sent:
    time_ms = 5_000 + number if kind == "now" else 0
    return Sent(number, f"plain-{kind}", time_ms, value_of(f"plain-{kind}", number), is_bad, 0.0)


SENT = [message(0, "now"), message(1, "number"), message(2, "untimed"), message(3, "now", is_bad=True)]
LETTERS = [DeadLetter("sensors/plain-now/m", b"bad 3", "not_json", "", 0)]


def plain_rows(*sent: Sent) -> Rows:
    out: Rows = {}
    for one in sent:
        out.setdefault((one.device, "m"), []).append((one.time_ms * 10**6 or 7, one.value))
    return out


def account_of(
    stored: Rows,
    *,
    confirmed: frozenset[int] = frozenset(range(4)),
    acknowledged: frozenset[int] = frozenset(),
    explained: frozenset[int] = frozenset(),
    handed_over: dict[int, int] | None = None,
    letters: list[DeadLetter] = LETTERS,
) -> Account:
    witness = Witness()
    witness.acknowledged |= acknowledged
    witness.handed_over = Counter(handed_over or dict.fromkeys(range(4), 1))
    return plain_account(SENT, set(confirmed), set(explained), witness, stored, letters)


def test_a_publisher_whose_messages_are_all_there_has_no_fault() -> None:
    assert counts(account_of(plain_rows(*SENT[:3]))) == (0, 0, 0)


def test_a_confirmed_message_that_is_not_there_is_lost_unless_the_broker_was_killed() -> None:
    assert counts(account_of(plain_rows(*SENT[:2]))) == (1, 0, 0)
    account = account_of(plain_rows(*SENT[:2]), explained=frozenset({2}))
    assert counts(account) == (0, 0, 0)
    assert account.not_promised == 1


def test_what_ingest_acknowledged_has_no_excuse() -> None:
    account = account_of(plain_rows(*SENT[:2]), explained=frozenset({2}), acknowledged=frozenset({2}))
    assert counts(account) == (1, 0, 0)


def test_a_message_may_be_there_as_often_as_the_broker_handed_it_over_if_it_has_no_time() -> None:
    stored = plain_rows(*SENT[:3], SENT[1])
    assert counts(account_of(stored)) == (0, 1, 0)
    assert counts(account_of(stored, handed_over={1: 2})) == (0, 0, 0)
    timed = plain_rows(*SENT[:3], SENT[0])
    assert counts(account_of(timed, handed_over={0: 2})) == (0, 1, 0)


def test_dead_letters_are_exactly_what_made_no_sense() -> None:
    stored = plain_rows(*SENT[:3])
    assert counts(account_of(stored, letters=[])) == (1, 0, 0)
    assert counts(account_of(stored, letters=LETTERS * 2)) == (0, 1, 0)
    stranger = DeadLetter("sensors/plain-now/m", b'{"value":0}', "time", "", 0)
    assert counts(account_of(stored, letters=[*LETTERS, stranger])) == (0, 0, 1)
    assert counts(account_of(plain_rows(*SENT)))[2] == 1


def publish(number: int, packet_id: int, *, dup: bool = False) -> bytes:
    return wire.publish(
        b"sensors/plain-number/m", b"%d.5" % number, flags=0x0A if dup else 0x02, packet_id=packet_id
    )


def puback(packet_id: int) -> bytes:
    return wire.packet(0x40, packet_id.to_bytes(2, "big"))


def session(witness: Witness, *, present: bool) -> IngestConnection:
    connection = IngestConnection(witness)
    connection.client_sent(wire.connect(b"ingest"))
    connection.server_sent(wire.packet(0x20, bytes([present, 0])))
    return connection


def test_the_witness_tells_a_message_that_comes_again_from_another_one() -> None:
    witness = Witness()
    connection = session(witness, present=False)
    connection.server_sent(publish(5, 1) + publish(6, 2))
    connection.client_sent(puback(1))
    assert witness.acknowledged == {5}
    # The same message on the next connection; then one that paho has sent again, which is a new one for the broker.
    session(witness, present=True).server_sent(publish(6, 2, dup=True) + publish(6, 3))
    assert witness.handed_over == {5: 1, 6: 2}
    # Nobody saw its first delivery: an identifier that meant another message.
    session(witness, present=True).server_sent(publish(7, 1, dup=True))
    assert witness.handed_over[7] == 1
    assert witness.broken_rules == []


def test_the_witness_sees_pubacks_out_of_turn_and_packets_before_connect() -> None:
    witness = Witness()
    connection = session(witness, present=False)
    connection.server_sent(publish(5, 1) + publish(6, 2))
    connection.client_sent(puback(2))
    assert len(witness.broken_rules) == 1
    IngestConnection(witness).client_sent(puback(1))
    assert len(witness.broken_rules) == 3
