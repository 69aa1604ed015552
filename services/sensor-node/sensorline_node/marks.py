"""Marks: which readings are on their way, and since when."""

from collections.abc import Iterable, Iterator


class Marks:
    """Numbers of readings with the moment in which each was sent, in the order of sending."""

    def __init__(self) -> None:
        self._sent_s: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._sent_s)

    def __iter__(self) -> Iterator[int]:
        return iter(self._sent_s)

    def __contains__(self, seq: int) -> bool:
        return seq in self._sent_s

    def add(self, seqs: Iterable[int], now_s: float) -> None:
        """Note readings that were sent just now."""
        for seq in seqs:
            self._sent_s[seq] = now_s

    def remove(self, ranges: Iterable[tuple[int, int]]) -> tuple[int, float]:
        """Forget ranges of numbers, both ends included; return how many were marked, and when the earliest was sent."""
        marks = self._sent_s
        count, earliest_s = 0, float("inf")
        for first, last in ranges:
            # A range can be one number or all there are; go through whichever is shorter.
            if last - first < len(marks):
                found = [seq for seq in range(first, last + 1) if seq in marks]
            else:
                found = [seq for seq in marks if first <= seq <= last]
            count += len(found)
            earliest_s = min(earliest_s, min(map(marks.pop, found), default=earliest_s))
        return count, earliest_s

    def expire(self, before_s: float) -> int:
        """Forget what was sent at `before_s` or earlier and return how much that was."""
        late = []
        # They are in the order of sending, so the first that is young enough ends the search.
        for seq, sent_s in self._sent_s.items():
            if sent_s > before_s:
                break
            late.append(seq)
        for seq in late:
            del self._sent_s[seq]
        return len(late)

    def clear(self) -> None:
        """Forget all."""
        self._sent_s.clear()
