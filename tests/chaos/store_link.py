"""The link between ingest and InfluxDB: requests that are answered by nobody, or replies that never arrive."""

import re

from tests.chaos.links import Connection, Cut, Link, Wires

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_HEAD_END = b"\r\n\r\n"


class Trouble:
    """What is to go wrong next. Changed by the test, read in the links' thread."""

    def __init__(self) -> None:
        self.replies_to_lose = 0
        self.answer = ""
        """`503`, or `503 retry-after 1`: every request gets this, and InfluxDB sees none."""
        self.lost = self.answered = 0

    def end(self) -> None:
        """Let everything go well again."""
        self.replies_to_lose, self.answer = 0, ""


class HttpConnection(Connection):
    """Follows requests: one begins where the body of the one before has ended."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble
        self._head = b""
        self._body_left = 0
        self._is_answered = False

    def client_sent(self, data: bytes) -> bytes:
        passed = b""
        while data:
            if self._body_left:
                part, data = data[: self._body_left], data[self._body_left :]
                self._body_left -= len(part)
                if not self._is_answered:
                    passed += part
                elif not self._body_left:
                    self._say_answer()
                continue
            self._head += data
            at = self._head.find(_HEAD_END)
            if at < 0:
                break
            head, data = self._head[: at + 4], self._head[at + 4 :]
            self._head = b""
            found = _LENGTH.search(head)
            self._body_left = int(found[1]) if found else 0
            self._is_answered = bool(self._trouble.answer)
            if not self._is_answered:
                passed += head
            elif not self._body_left:
                self._say_answer()
        return passed

    def _say_answer(self) -> None:
        status, _, seconds = self._trouble.answer.partition(" retry-after ")
        self._trouble.answered += 1
        lines = [f"HTTP/1.1 {status or 503} Trouble", "Content-Length: 2", "Content-Type: application/json"]
        lines += [f"Retry-After: {seconds}"] if seconds else []
        self.writers[0].write("\r\n".join(lines).encode() + _HEAD_END + b"{}")

    def server_sent(self, data: bytes) -> bytes:
        # InfluxDB answers when it has stored what was sent: whoever loses the answer does not know that.
        if self._trouble.replies_to_lose > 0:
            self._trouble.replies_to_lose -= 1
            self._trouble.lost += 1
            raise Cut
        return data


class StoreLink(Link):
    """Between ingest and InfluxDB."""

    def __init__(self, wires: Wires, to_port: int) -> None:
        self.trouble = Trouble()
        super().__init__(wires, to_port, lambda: HttpConnection(self.trouble))
