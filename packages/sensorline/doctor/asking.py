"""A short question by HTTP."""

import json
import urllib.error
import urllib.request
from typing import Any

import msgspec

TIMEOUT_S = 2.0
MAX_BYTES = 1 << 16


class Answer(msgspec.Struct):
    """Status 0 says that nobody answered, and `why` why."""

    status: int
    body: bytes = b""
    why: str = ""

    def json(self) -> dict[str, Any]:
        """Return the body's object; empty if it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def ask(url: str) -> Answer:
    """Get a page of our own services; an error status is an answer, too."""
    if not url.startswith(("http://", "https://")):
        return Answer(0, why="expected http://HOST:PORT")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:  # noqa: S310 - http or https, see above
            return Answer(reply.status, reply.read(MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(MAX_BYTES))
    except (OSError, ValueError) as exc:
        return Answer(0, why=str(getattr(exc, "reason", exc)))
