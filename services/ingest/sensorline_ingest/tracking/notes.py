"""What was said to the books with one batch, as few bytes: three for a device whose numbers are as expected, six with numbers.

    version · flags · time since the notes before in ms · number of devices · each device · words as MessagePack

Whole numbers are LEB128; where they can be below 0, zigzag (as in Protocol Buffers, "Encoding").
"""

from typing import Final

import msgspec

from sensorline_ingest.tracking.books import Books, Word
from sensorline_ingest.tracking.numbers import Range
from sensorline_ingest.tracking.observing import Observed

_VERSION: Final = 1
_RESUMES, _WORDS, _BEGINS = 1, 2, 4
_LIVE, _EXPECTED, _RANGES, _MORE, _NEW, _REASONS = 1, 2, 4, 8, 16, 32
_MS = 10**6

_encode_words = msgspec.msgpack.Encoder().encode
_decode_words = msgspec.msgpack.Decoder(list[Word]).decode


class Notes(msgspec.Struct, gc=False):
    """`now_ns` is whole milliseconds. `resumes`: ingest or its connection was away before.

    `begins_at` is said once: how many readings the store had when tracking began.
    """

    now_ns: int
    observed: list[Observed] = []
    words: list[Word] = []
    resumes: bool = False
    begins_at: int | None = None


def say(books: Books, notes: Notes) -> None:
    """Change the books by what notes say, but for the events that become due."""
    if notes.begins_at is not None:
        books.totals.begins_at = notes.begins_at
    if notes.resumes:
        books.resume()
    if notes.words:
        books.listen(notes.words)
    books.take(notes.observed, notes.now_ns)


def encode(books: Books, notes: Notes) -> bytes:
    """Return notes as bytes; `books` are those before they are said."""
    head = (_RESUMES if notes.resumes else 0) | (_WORDS if notes.words else 0)
    out = bytearray((_VERSION, head | (_BEGINS if notes.begins_at is not None else 0)))
    _put(out, _zigzag((notes.now_ns - books.now_ns) // _MS))
    if notes.begins_at is not None:
        _put(out, notes.begins_at)
    _put(out, len(notes.observed))
    known = books.by_name
    for found in notes.observed:
        device = known.get(found.device)
        if device is None:
            flags, expected, newest_ns = _NEW, -1, 0
        else:
            flags, expected, newest_ns = 0, device.numbers.expected, device.numbers.newest_ns
            if not device.numbers.runs:
                # The first numbers begin a run: both their times count.
                expected = -1
        if found.is_live:
            flags |= _LIVE
        ranges = found.ranges
        if ranges:
            flags |= _EXPECTED if len(ranges) == 1 and ranges[0][0] == expected else _RANGES
        if found.rejected or found.redelivered or found.late or found.out_of_order or found.repeated:
            flags |= _MORE
        if found.reasons:
            flags |= _REASONS
        out.append(flags)
        if device is None:
            name = found.device.encode()
            _put(out, len(name))
            out += name
        else:
            _put(out, device.index)
        _put(out, found.readings)
        if flags & _EXPECTED:
            first, last, _, last_ns = ranges[0]
            _put(out, last - first)
            _put_time(out, last_ns - newest_ns)
        elif flags & _RANGES:
            _put_ranges(out, ranges, max(expected, 0), newest_ns)
        if flags & _MORE:
            for count in (found.rejected, found.redelivered, found.late, found.out_of_order, found.repeated):
                _put(out, count)
        if flags & _REASONS:
            _put(out, len(found.reasons))
            for reason, count in found.reasons.items():
                text = reason.encode()
                _put(out, len(text))
                out += text
                _put(out, count)
    if notes.words:
        out += _encode_words(notes.words)
    return bytes(out)


def _put_ranges(out: bytearray, ranges: list[Range], number: int, time_ns: int) -> None:
    _put(out, len(ranges))
    for first, last, first_ns, last_ns in ranges:
        _put(out, _zigzag(first - number))
        _put(out, last - first)
        _put_time(out, first_ns - time_ns)
        _put_time(out, last_ns - first_ns)
        number, time_ns = last + 1, last_ns


def decode(books: Books, data: bytes) -> Notes:
    """Return the notes that were encoded when the books were as they are. Raises ValueError for bytes that are none."""
    try:
        return _Reader(data).notes(books)
    except (IndexError, UnicodeDecodeError, msgspec.MsgspecError) as exc:
        raise ValueError(f"notes cannot be read: {exc}") from exc


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 2

    def notes(self, books: Books) -> Notes:
        version, flags = self._data[0], self._data[1]
        if version != _VERSION:
            raise ValueError(f"notes of version {version}, this Sensorline knows {_VERSION}")
        now_ns = books.now_ns // _MS * _MS + self._signed() * _MS
        begins_at = self._number() if flags & _BEGINS else None
        observed = [self._observed(books) for _ in range(self._number())]
        words = _decode_words(self._data[self._at :]) if flags & _WORDS else []
        return Notes(now_ns, observed, words, bool(flags & _RESUMES), begins_at)

    def _observed(self, books: Books) -> Observed:
        flags = self._data[self._at]
        self._at += 1
        number = self._number()
        expected = newest_ns = 0
        if flags & _NEW:
            name = self._text(number)
        else:
            device = books.devices[number]
            name, expected, newest_ns = device.name, device.numbers.expected, device.numbers.newest_ns
        found = Observed(name, self._number(), is_live=bool(flags & _LIVE))
        if flags & _EXPECTED:
            last = expected + self._number()
            last_ns = newest_ns + self._time()
            found.ranges = [(expected, last, last_ns, last_ns)]
        elif flags & _RANGES:
            found.ranges = self._ranges(expected, newest_ns)
        if flags & _MORE:
            found.rejected, found.redelivered = self._number(), self._number()
            found.late, found.out_of_order, found.repeated = self._number(), self._number(), self._number()
        if flags & _REASONS:
            found.reasons = {self._text(self._number()): self._number() for _ in range(self._number())}
        return found

    def _text(self, size: int) -> str:
        text = self._data[self._at : self._at + size].decode()
        self._at += size
        return text

    def _ranges(self, number: int, time_ns: int) -> list[Range]:
        ranges: list[Range] = []
        for _ in range(self._number()):
            first = number + self._signed()
            last = first + self._number()
            first_ns = time_ns + self._time()
            last_ns = first_ns + self._time()
            ranges.append((first, last, first_ns, last_ns))
            number, time_ns = last + 1, last_ns
        return ranges

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def _signed(self) -> int:
        number = self._number()
        return (number >> 1) ^ -(number & 1)

    def _time(self) -> int:
        number = self._number()
        signed = (number >> 2) ^ -((number >> 1) & 1)
        return signed if number & 1 else signed * _MS


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _put_time(out: bytearray, time_ns: int) -> None:
    """Append nanoseconds; whole milliseconds, which nearly all are, as such."""
    if time_ns % _MS:
        _put(out, _zigzag(time_ns) << 1 | 1)
    else:
        _put(out, _zigzag(time_ns // _MS) << 1)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
