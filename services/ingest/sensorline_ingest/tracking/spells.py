"""Spells: what happens to some readings is told of once, from its first time to its last before a quiet minute."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from sensorline.events import Event, EventKind

QUIET_NS: Final = 60 * 10**9
"""A spell is over when nothing of its kind has happened for so long."""
UPDATE_NS: Final = 10 * 10**9
"""The count of a spell that goes on is told again at most this often."""
SPELL_COSTS_NS: Final = 20 * 10**6
"""With many spells at once less often: so many nanoseconds each."""
LOOK_EVERY_NS: Final = 10**9
MAX_REASONS: Final = 16
KINDS: Final = (EventKind.LATE, EventKind.OUT_OF_ORDER, EventKind.DUPLICATES, EventKind.REJECTED)


class Spell(msgspec.Struct, array_like=True, gc=False):
    """`start_ns` and `last_ns` are when it happened first and last, as received. `told` of its `count` are in the stored event.

    `reasons` is reason → count, for rejects: at most 16, further ones are only in the count.
    """

    kind: EventKind
    start_ns: int
    last_ns: int
    count: int = 0
    told: int = 0
    told_ns: int = 0
    reasons: dict[str, int] = {}


class Spells:
    """The spells that go on, of all devices. They live in the devices' books: a list for each device, at most a few long."""

    def __init__(self) -> None:
        self._open: dict[str, list[Spell]] = {}
        self._begun: set[str] = set()
        self._looked_ns = 0
        self._forgotten: list[Event] = []

    def go_on(self, device: str, spells: list[Spell]) -> None:
        """Go on with the spells of a device's book as it was restored."""
        if spells:
            self._open[device] = spells

    def forget(self, open_events: Iterable[Event], now_ns: int) -> None:
        """End stored events that go on and that no book knows: it could not be recalled."""
        known = {_id(name, spell) for name, spells in self._open.items() for spell in spells}
        self._forgotten = [
            msgspec.structs.replace(event, end_ns=max(now_ns, event.start_ns))
            for event in open_events
            if event.kind in KINDS and event.id not in known
        ]

    def note(
        self,
        device: str,
        spells: list[Spell],
        kind: EventKind,
        count: int,
        now_ns: int,
        reasons: Mapping[str, int] | None = None,
    ) -> None:
        """It happened so many times more; `spells` are those in the device's book."""
        spell = next((s for s in reversed(spells) if s.kind is kind), None)
        if spell is None or _is_over(spell, now_ns):
            spell = Spell(kind, now_ns, now_ns)
            spells.append(spell)
            self._open[device] = spells
            self._begun.add(device)
        spell.last_ns = now_ns
        spell.count += count
        for reason, times in (reasons or {}).items():
            if reason in spell.reasons or len(spell.reasons) < MAX_REASONS:
                spell.reasons[reason] = spell.reasons.get(reason, 0) + times

    def due(self, now_ns: int) -> list[Event]:
        """Return the events that are to be stored now: of spells that began at once, of others not more often than each second."""
        if not self._open and not self._forgotten:
            return []
        names = self._begun
        if not 0 <= now_ns - self._looked_ns < LOOK_EVERY_NS:
            self._looked_ns = now_ns
            names = set(self._open)
        events, self._forgotten, self._begun = self._forgotten, [], set()
        wait_ns = max(UPDATE_NS, len(self._open) * SPELL_COSTS_NS)
        for name in sorted(names):
            spells = self._open[name]
            events += [_tell(name, spell, now_ns) for spell in spells if _is_due(spell, now_ns, wait_ns)]
            # The list is the book's own.
            spells[:] = [spell for spell in spells if not _is_over(spell, now_ns)]
            if not spells:
                del self._open[name]
        return events


def _is_over(spell: Spell, now_ns: int) -> bool:
    # Either way: the clock may have been set back meanwhile.
    return abs(now_ns - spell.last_ns) >= QUIET_NS


def _is_due(spell: Spell, now_ns: int, wait_ns: int) -> bool:
    if not spell.told or _is_over(spell, now_ns):
        return True
    return spell.count != spell.told and abs(now_ns - spell.told_ns) >= wait_ns


def _tell(device: str, spell: Spell, now_ns: int) -> Event:
    spell.told, spell.told_ns = spell.count, now_ns
    return Event(
        _id(device, spell),
        spell.kind,
        device,
        spell.start_ns,
        max(spell.last_ns, spell.start_ns) if _is_over(spell, now_ns) else None,
        spell.count,
        detail=_sentence(spell),
    )


def _id(device: str, spell: Spell) -> str:
    return f"{spell.kind}/{device}/{spell.start_ns // 10**6}"


def _sentence(spell: Spell) -> str:
    readings = "1 reading" if spell.count == 1 else f"{spell.count:,} readings"
    match spell.kind:
        case EventKind.LATE:
            return f"{readings} came late: more than 10 s, or three intervals if that is longer, after their own time."
        case EventKind.OUT_OF_ORDER:
            return f"{readings} came after newer ones."
        case EventKind.DUPLICATES:
            return f"{readings} came again and were discarded: each is stored once."
        case _:
            messages = "1 message was" if spell.count == 1 else f"{spell.count:,} messages were"
            reason = max(spell.reasons, key=spell.reasons.__getitem__, default="")
            return f"{messages} rejected" + (f", most often as {reason}." if reason else ".")
