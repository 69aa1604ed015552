"""Tracking as the pipeline sees it: what a batch says goes into the books, and what the books say goes into the batch."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sensorline.events import Account, Event
from sensorline.mqtt import RawMessage
from sensorline.reading import Batch, Committed, DeviceFacts, Settled
from sensorline.stores.base import Immediate, StoreWriter
from sensorline_ingest.tracking import notes as notes_
from sensorline_ingest.tracking.baseline import Baseline, repetitions_beyond, unsaid_repetitions
from sensorline_ingest.tracking.books import Word
from sensorline_ingest.tracking.clocks import Clocks
from sensorline_ingest.tracking.notes import Notes
from sensorline_ingest.tracking.observing import ALL, Observed, Observer
from sensorline_ingest.tracking.recalling import recalled
from sensorline_ingest.tracking.refusals import Refusals
from sensorline_ingest.tracking.rejecting import add_rejects
from sensorline_ingest.tracking.sharing import share
from sensorline_ingest.tracking.silences import Silences
from sensorline_ingest.tracking.troubles import Troubles

ACCOUNTS_EVERY_NS: Final = 10 * 10**9
ACCOUNT_COSTS_NS: Final = 20 * 10**6
"""With many devices their rows are written less often: so many nanoseconds each."""
JUDGE_EVERY_NS: Final = 10**9
HELD_UP_NS: Final = 2 * 10**9
"""Whoever has not asked for so long was held up (a full disk, a stopped process), and has not listened either."""
_MS = 10**6


class Tracker:
    """Used by the thread that commits. After `observe`, the batch is committed or the process ends."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer
        self.books, last = recalled(writer)
        open_events = writer.open_events()
        self.books.spells.forget(open_events, self.books.now_ns)
        self._clocks = Clocks(open_events)
        self._silences = Silences(open_events)
        self._refusals = Refusals(open_events)
        self.troubles = Troubles(open_events)
        self._observer = Observer()
        self._resumes = True
        self._listening_ns = 0
        self._judged_ns = 0
        self._asked_ns = 0
        self._accounts_ns = 0
        self._changed: set[str] = set()
        self._redelivered = Counter({device: count for device, count, _ in self.books.unsaid})
        self._repeated = Counter({device: count for device, _, count in self.books.unsaid})
        self._behind: Counter[str] = Counter()
        self._undecided: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._in_flight = 0
        state, totals = writer.state(), self.books.totals
        self._baseline = Baseline.of(totals, state)
        if isinstance(writer, Immediate):
            known = state.readings + self._repeated.total()
            self._repeated.update(unsaid_repetitions(totals, known, last, writer.kept()))
        else:
            self._repeated += Counter({ALL: repetitions_beyond(self.accepted, self.discarded, state)})
        self._changed.update(self._outdated(writer.accounts()))
        writer.keep(self._snapshot)

    def _outdated(self, accounts: list[Account]) -> list[str]:
        """Return the devices whose stored account is older than their book: the process before had no time for it."""
        stored = {a.device: (a.received, a.duplicates, a.rejected, a.missing) for a in accounts}
        return [
            d.name
            for d in self.books.devices
            if stored.get(d.name) != (d.received, d.duplicates, d.rejected, d.numbers.missing)
        ]

    def _snapshot(self) -> bytes:
        """Return the books as of the last commit, and beside them what has become known of it since.

        Nothing changes, since the transaction that is to keep this may fail. The next notes say what is unsaid, either way.
        """
        known = sorted(self._redelivered.keys() | self._repeated.keys())
        return self.books.snapshot([(d, self._redelivered[d], self._repeated[d]) for d in known])

    @property
    def accepted(self) -> int:
        """Readings that were taken since the store was made, a rejected message counting 1: from tracking's books alone.

        A batch that is not committed yet is not among them.
        """
        totals = self.books.totals
        redelivered = totals.duplicates - totals.repeated + self._redelivered.total()
        return totals.readings + redelivered + self._baseline.over(totals) - self._in_flight

    @property
    def is_between_commits(self) -> bool:
        """Whether all that was observed is committed."""
        return not self._in_flight

    @property
    def discarded(self) -> int:
        """Readings that were discarded since the store was made: sent again, or repetitions."""
        unsaid = self._redelivered.total() + self._repeated.total()
        return self.books.totals.duplicates + unsaid

    def missing_of_devices(self, limit: int) -> dict[str, int]:
        """Return device → missing numbers, of those that miss most."""
        counts = Counter(
            {device.name: device.numbers.missing for device in self.books.devices if device.numbers.missing}
        )
        return dict(counts.most_common(limit))

    def listen(self, now_ns: int, *, session_lost: bool = False) -> None:
        """A connection to the broker began; before it nobody listened."""
        self._listening_ns = now_ns
        self._clocks.begin()
        self._resumes = True
        if session_lost and self.books.now_ns:
            self.troubles.session_lost(self.books.now_ns, now_ns)

    def redelivered(self, device: str, readings: int) -> None:
        """The broker sent a device's message again, and we have it."""
        self._redelivered[device] += readings

    def observe(self, batch: Batch, messages: Sequence[RawMessage]) -> None:
        """Put notes, events and accounts into a batch of these messages."""
        first_ns, last_ns = messages[0][4], messages[-1][4]
        books = self.books
        found = self._observer.observe(batch, first_ns, last_ns, books.late_limits)
        if batch.dead_letters:
            for device, ahead_s in add_rejects(batch, found, books.by_name).items():
                self._note_ahead(batch, device, ahead_s, last_ns)
            found[ALL] = Observed(ALL, rejected=len(batch.dead_letters))
        self._in_flight = sum(observed.readings for observed in found.values()) + len(batch.dead_letters)
        self._last = {device: observed.readings for device, observed in found.items()}
        self._behind = Counter({o.device: o.behind for o in found.values() if o.behind})
        words = [word for facts in batch.facts if (word := _word(facts))] if batch.facts else []
        refused = {word.device: self._refused(word.device) for word in words}
        if found or words:
            self._say(batch, found, words, last_ns)
        for device, observed in found.items():
            if observed.readings:
                self._clocks.note(device, observed.newest_ns, first_ns, last_ns)
                end = self._silences.heard(device, last_ns)
                if end is not None:
                    batch.events.append(end)
        if words:
            self._note_health(batch, refused, last_ns)
        # As `recalled` asks, which knows whole milliseconds only: so a restart finds the same events told.
        self._tell(batch, last_ns, books.due(last_ns // _MS * _MS))

    def _say(self, batch: Batch, found: dict[str, Observed], words: list[Word], now_ns: int) -> None:
        """Say to the books, and in the notes, what was found, and what has waited for a batch to go with."""
        self._add_unsaid(found)
        begins_at, rejects = self._baseline.take()
        if rejects is not None:
            found.setdefault(ALL, Observed(ALL)).rejected += rejects
        notes = Notes(now_ns // _MS * _MS, list(found.values()), words, self._resumes, begins_at)
        self._resumes = False
        batch.notes = notes_.encode(self.books, notes)
        notes_.say(self.books, notes)
        self._changed.update(found.keys() - {ALL})

    def _add_unsaid(self, found: dict[str, Observed]) -> None:
        for device, count in self._redelivered.items():
            found.setdefault(device, Observed(device)).redelivered += count
        for device, count in self._repeated.items():
            found.setdefault(device, Observed(device)).repeated += count
        self._changed.update(self._redelivered, self._repeated)
        self._changed.discard(ALL)
        self._redelivered.clear()
        self._repeated.clear()

    def overdue(self, now_ns: int, *, is_listening: bool) -> Batch | None:
        """Return a batch without readings if there is something to tell that cannot wait for one, else None.

        `is_listening`: the connection is up and nothing waits to be taken, so a device that is not heard is silent.
        """
        now_ns = now_ns // _MS * _MS
        batch = Batch()
        if not 0 <= now_ns - self._asked_ns <= HELD_UP_NS:
            self._listening_ns = now_ns
        self._asked_ns = now_ns
        if now_ns - self._judged_ns >= JUDGE_EVERY_NS or now_ns < self._judged_ns:
            self._judged_ns = now_ns
            if is_listening:
                self._judge(batch, now_ns)
        due = self.books.due(now_ns)
        if not (due or batch.events or self.troubles.has_due or self._accounts_are_due(now_ns)):
            return None
        if due or self._redelivered or self._repeated:
            # What is said here touches no numbers, but may begin a spell, which is told at once.
            self._say(batch, {}, [], now_ns)
            due += self.books.due(now_ns)
        self._tell(batch, now_ns, due)
        return batch

    def _accounts_are_due(self, now_ns: int) -> bool:
        wait_ns = max(ACCOUNTS_EVERY_NS, len(self._changed) * ACCOUNT_COSTS_NS)
        is_changed = self._changed or self._redelivered or self._repeated
        return bool(is_changed) and not 0 <= now_ns - self._accounts_ns < wait_ns

    def _judge(self, batch: Batch, now_ns: int) -> None:
        for device in self.books.devices:
            # Whoever speaks with a wrong clock is not silent.
            heard_ns = max(device.heard_ns, self._clocks.rejected_ns(device.name))
            silence = self._silences.judge(
                device.name, device.rhythm.interval_s, heard_ns, self._listening_ns, now_ns
            )
            if silence is not None:
                batch.events.append(silence)

    def _tell(self, batch: Batch, now_ns: int, due: list[Event]) -> None:
        batch.events += due
        batch.events += self._clocks.due()
        batch.events += self.troubles.due()
        with_events = {event.device for event in batch.events if event.device}
        self._changed |= with_events
        if self._accounts_are_due(now_ns):
            self._accounts_ns = now_ns
            batch.accounts = self._accounts(self._changed, now_ns)
            self._changed.clear()
        elif with_events:
            batch.accounts = self._accounts(with_events, now_ns)
            self._changed -= with_events

    def _accounts(self, names: set[str], now_ns: int) -> list[Account]:
        known = self.books.by_name
        return [
            device.account(self._clocks.skew_ms(name), now_ns)
            for name in sorted(names)
            if (device := known.get(name))
        ]

    def _note_ahead(self, batch: Batch, device: str, ahead_s: int, now_ns: int) -> None:
        self._clocks.reject(device, ahead_s, self.books.by_name[device].heard_ns, now_ns)
        end = self._silences.heard(device, now_ns)
        if end is not None:
            batch.events.append(end)

    def _refused(self, device: str) -> int:
        book = self.books.by_name.get(device)
        return book.refused if book else 0

    def _note_health(self, batch: Batch, before: dict[str, int], now_ns: int) -> None:
        for facts in batch.facts:
            if facts.health is None:
                continue
            more = self._refused(facts.device) - before.get(facts.device, 0)
            before[facts.device] = self._refused(facts.device)
            event = self._refusals.note(facts.device, facts.health, more, now_ns)
            if event is not None:
                batch.events.append(event)
                self._changed.add(facts.device)

    def committed(self, committed: Committed) -> None:
        """The batch of the last `observe` is durable."""
        self._in_flight = 0
        if committed.repeated:
            self._repeated.update(
                self._writer.repeats() or share(committed.repeated, self._behind, self._last)
            )
        if committed.undecided:
            self._undecided.update(share(committed.undecided, self._behind, self._last))

    def settled(self, settled: Settled) -> None:
        """The store has decided about readings that earlier commits left undecided."""
        decided = settled.stored + settled.repeated
        if settled.repeated:
            self._repeated.update(settled.repeats or share(settled.repeated, self._undecided, self._last))
        if decided:
            self._undecided.subtract(share(decided, self._undecided, {}))
            self._undecided = +self._undecided


def _word(facts: DeviceFacts) -> Word | None:
    refused = facts.health.refused if facts.health else None
    if facts.interval_s is None and refused is None:
        return None
    return Word(facts.device, facts.interval_s, refused)
