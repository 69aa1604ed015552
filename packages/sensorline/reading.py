"""Plain values that every part speaks: series, readings, devices, batches. No I/O, no clock."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Self

import msgspec

from sensorline.events import Account, Event


class Series(NamedTuple):
    """One line on a chart: what one device measures of one metric."""

    device: str
    metric: str

    def __str__(self) -> str:
        return f"{self.device}:{self.metric}"


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of a series at one instant.

    `time_ns` is UTC in integer nanoseconds since 1970; `value` is finite. `seq` is the device's own
    running number (0 … 2^53) when it gave one: only those readings are confirmed on `acks/<device>`.
    `has_own_time` is False where the payload had no time and `time_ns` is the received time.
    """

    series: Series
    time_ns: int
    value: float
    seq: int | None = None
    has_own_time: bool = True


class Readings(msgspec.Struct, gc=False):
    """Readings in the order in which they arrived, as three columns of one length: no object for each reading.

    `time_ns` and `value` are as in Reading. Series that are equal are best one object: then nobody compares names.
    """

    series: list[Series] = []
    time_ns: list[int] = []
    value: list[float] = []

    def add(self, series: Series, time_ns: int, value: float) -> None:
        """Append a reading."""
        self.series.append(series)
        self.time_ns.append(time_ns)
        self.value.append(value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[tuple[Series, int, float]]:
        """Yield series, time_ns and value of each reading."""
        return zip(self.series, self.time_ns, self.value, strict=True)


class Status(StrEnum):
    """What a device said of itself, or its last will for it."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class Health(msgspec.Struct, frozen=True, gc=False):
    """What a node says of its outbox: readings that it refused so far, set aside and still holds, and its size.

    `outbox_max_bytes` is 0 where there is no limit in bytes. `problem` is a sentence, empty while all is well.
    """

    refused: int = 0
    set_aside: int = 0
    waiting: int = 0
    outbox_bytes: int = 0
    outbox_max_bytes: int = 0
    problem: str = ""


class DeviceFacts(msgspec.Struct, frozen=True, gc=False):
    """What is known of a device besides its readings. None means: this message did not say.

    `interval_s` is how often the device means to publish, in seconds. `units` and `names` go from metric to
    unit symbol and to display name. `health` is of this moment: it is not stored with the other facts.
    """

    device: str
    status: Status | None = None
    status_at_ns: int | None = None
    name: str | None = None
    location: str | None = None
    interval_s: float | None = None
    simulated: bool | None = None
    units: dict[str, str] = {}
    names: dict[str, str] = {}
    health: Health | None = None


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A message that could not become readings, as it came, with the reason. `id` is 0 until it is stored."""

    topic: str
    payload: bytes
    reason: str
    detail: str
    received_ns: int
    id: int = 0


class Receipt(NamedTuple):
    """Proof that a message was committed: its MQTT packet identifier and a digest of topic and payload."""

    packet_id: int
    digest: int


class Batch(msgspec.Struct, gc=False):
    """Everything that is committed together: it is durable as a whole or not at all. Lists are in arrival order.

    `packet_ids` and `digests` are the receipts, in two columns. `seqs` holds for each device its readings' own numbers,
    as far as they have any; `seq_runs` the first and last of those that are known to ascend by one. `confirm_tokens` are of
    people who want to know when this is durable. None of these is stored.
    `begins_session`: the broker began a new session, so that receipts of earlier batches mean nothing any more. `events`
    and `accounts` replace what was stored of the same event or device. `notes` are what ingest's tracking wants to find
    again at its next start; the store does not look into them: see StoreWriter.keep.
    """

    readings: Readings = msgspec.field(default_factory=Readings)
    dead_letters: list[DeadLetter] = []
    facts: list[DeviceFacts] = []
    packet_ids: list[int] = []
    digests: list[int] = []
    begins_session: bool = False
    confirm_tokens: list[str] = []
    seqs: dict[str, list[int]] = {}
    seq_runs: dict[str, tuple[int, int]] = {}
    events: list[Event] = []
    accounts: list[Account] = []
    notes: bytes = b""

    @classmethod
    def of(
        cls,
        readings: Iterable[Reading] = (),
        dead_letters: Sequence[DeadLetter] = (),
        facts: Sequence[DeviceFacts] = (),
        receipts: Sequence[Receipt] = (),
    ) -> Self:
        """Return a batch of values that are at hand singly."""
        batch = cls(dead_letters=list(dead_letters), facts=list(facts))
        for reading in readings:
            batch.add(reading)
        for receipt in receipts:
            batch.packet_ids.append(receipt.packet_id)
            batch.digests.append(receipt.digest)
        return batch

    def add(self, reading: Reading) -> None:
        """Append a reading, and note its own number."""
        self.readings.add(reading.series, reading.time_ns, reading.value)
        if reading.seq is not None:
            self.seqs.setdefault(reading.series.device, []).append(reading.seq)


class Committed(msgspec.Struct, frozen=True, gc=False):
    """What a commit did with a batch's readings: stored + repeated + undecided = all of them.

    `shifted` of the stored ones had a different value at a time already taken and were kept one or more
    nanoseconds later. `undecided` ones are durable, too; whether they are new, the store finds out later: see Settled.
    """

    stored: int
    repeated: int
    shifted: int
    undecided: int = 0


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What has become of readings that commits left undecided: stored + repeated of them are decided now.

    `refused` ones were counted as stored before, and are dead letters now: the database beyond does not take them.
    `repeats` are the repeated ones by device.
    """

    stored: int = 0
    repeated: int = 0
    shifted: int = 0
    refused: int = 0
    repeats: Mapping[str, int] = {}

    def __add__(self, other: "Settled") -> "Settled":
        return Settled(
            self.stored + other.stored,
            self.repeated + other.repeated,
            self.shifted + other.shifted,
            self.refused + other.refused,
            Counter(self.repeats) + Counter(other.repeats) if other.repeats else self.repeats,
        )

    def __sub__(self, other: "Settled") -> "Settled":
        return Settled(
            self.stored - other.stored,
            self.repeated - other.repeated,
            self.shifted - other.shifted,
            self.refused - other.refused,
            Counter(self.repeats) - Counter(other.repeats) if self.repeats is not other.repeats else {},
        )
