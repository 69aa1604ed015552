"""Who watches what: browsers that watch the same series are one group, and one group is one Socket.IO room. Pure."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from sensorline import topics
from sensorline.errors import QueryError, Rejected
from sensorline.reading import Series

WATCH_MAX = 500
"""Series that one browser may name; who wants more watches all."""

ALL_ROOM = "watch:all"

Wish = frozenset[Series] | None
"""The series that a browser wants; None stands for all."""

Key = tuple[Series, bool]
"""A series, and whether the readings had their own time."""


class Group(msgspec.Struct, eq=False):
    """Browsers with one wish, and the readings that wait for their next frame.

    `waiting` holds columns of times (ns) and values. `due_s` is when the next frame may go, on the clock of the
    coalescer; `sent_s` is when the last one went.
    """

    room: str
    wish: Wish
    members: set[str] = msgspec.field(default_factory=set)
    waiting: dict[Key, tuple[list[int], list[float]]] = msgspec.field(default_factory=dict)
    waiting_count: int = 0
    due_s: float = 0.0
    sent_s: float = float("-inf")


def room_of(wish: Wish) -> str:
    """Return the room's name for a wish: the same for the same set, whatever its order."""
    if wish is None:
        return ALL_ROOM
    canonical = msgspec.json.encode(sorted(wish))
    return f"watch:{hashlib.blake2b(canonical, digest_size=12).hexdigest()}"


def parse_wish(message: Any) -> Wish:
    """Return what a `watch` message asks for. Raises QueryError in words for the developer of a page."""
    if not isinstance(message, dict):
        raise QueryError("watch", 'expected {"series":[[device, metric], …]} or {"all":true}')
    if message.get("all") is True:
        return None
    pairs = message.get("series")
    if not isinstance(pairs, list):
        raise QueryError("series", 'expected {"series":[[device, metric], …]} or {"all":true}')
    if len(pairs) > WATCH_MAX:
        raise QueryError("series", f'at most {WATCH_MAX} series; {{"all":true}} watches every one')
    return frozenset(_series(pair) for pair in pairs)


def _series(pair: Any) -> Series:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
        raise QueryError("series", "expected pairs of two strings: [device, metric]")
    try:
        return Series(topics.check_device(pair[0]), topics.check_metric(pair[1]))
    except Rejected as exc:
        raise QueryError("series", exc.detail) from None


class Groups:
    """The groups that have members, found by member and by series. Not safe for several threads by itself."""

    def __init__(self) -> None:
        self._by_room: dict[str, Group] = {}
        self._by_member: dict[str, Group] = {}
        self._by_series: dict[Series, set[Group]] = {}

    def __len__(self) -> int:
        return len(self._by_room)

    def watch(self, member: str, wish: Wish) -> tuple[str | None, str | None]:
        """Move a member into the group of its wish; return the rooms that it leaves and joins, None for neither.

        An empty wish is no group at all.
        """
        room = room_of(wish)
        before = self._by_member.get(member)
        if before is not None and before.room == room:
            return None, None
        left = self.forget(member)
        if wish is not None and not wish:
            return left, None
        group = self._by_room.get(room)
        if group is None:
            group = self._by_room[room] = Group(room, wish)
            for series in wish or ():
                self._by_series.setdefault(series, set()).add(group)
        group.members.add(member)
        self._by_member[member] = group
        return left, room

    def forget(self, member: str) -> str | None:
        """Take a member out of its group and return the room that it leaves; a group without members is gone."""
        group = self._by_member.pop(member, None)
        if group is None:
            return None
        group.members.discard(member)
        if not group.members:
            del self._by_room[group.room]
            for series in group.wish or ():
                self._by_series[series].discard(group)
                if not self._by_series[series]:
                    del self._by_series[series]
        return group.room

    def of(self, series: Series) -> Iterator[Group]:
        """Yield the groups that want a series."""
        everything = self._by_room.get(ALL_ROOM)
        if everything is not None:
            yield everything
        yield from self._by_series.get(series, ())

    def rooms_of(self, device: str) -> list[str]:
        """Return the rooms of the groups that watch some series of a device."""
        watching = {
            g.room for series, groups in self._by_series.items() if series.device == device for g in groups
        }
        return sorted(watching | ({ALL_ROOM} & self._by_room.keys()))

    def is_alive(self, group: Group) -> bool:
        """Tell whether a group still has members."""
        return self._by_room.get(group.room) is group
