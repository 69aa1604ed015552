"""Mosquitto's configuration file, where it can be read: some of what matters shows only there.

The file is that of the process on this machine (or of the container whose processes are seen) that listens on our port.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

MAX_BYTES = 1 << 20


class Listener(msgspec.Struct):
    """A listener and the options that belong to it."""

    port: int
    address: str = ""
    options: dict[str, str] = {}

    @property
    def is_loopback(self) -> bool:
        """True if only this machine reaches it."""
        return self.address.startswith("127.") or self.address in ("::1", "localhost")


class Configuration(msgspec.Struct):
    """Options by name, the last one counts; and the listeners."""

    path: Path
    options: dict[str, str] = {}
    listeners: list[Listener] = []
    changed_since_start: bool = False
    """The file is newer than the process: not all of it may be in force."""

    def number(self, name: str, default: int) -> int:
        """Return an option that is a number, or its default."""
        try:
            return int(self.options.get(name, default))
        except ValueError:
            return default

    def is_on(self, name: str, default: bool = False) -> bool:
        """Return an option that is true or false."""
        return self.options.get(name, str(default)).lower() in ("true", "1")


_OF_A_LISTENER = ("use_username_as_clientid", "certfile", "keyfile", "require_certificate", "protocol")


def find(port: int, given: Path | None, *, is_here: bool, proc: Path = Path("/proc")) -> Configuration | None:
    """Return the configuration of the broker on `port`; None if there is none to be seen. Raises OSError for `given`.

    Only if the broker `is_here` any process on its port is it; otherwise process 1, where we share a container's processes.
    """
    if given is not None:
        return parse(given)
    for process in sorted(proc.glob("[0-9]*" if is_here else "1")):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if os.path.basename(arguments[0]) != b"mosquitto" or b"-c" not in arguments:
                continue
            named = Path(os.fsdecode(arguments[arguments.index(b"-c") + 1]))
            named = named if named.is_absolute() else Path(os.readlink(process / "cwd")) / named
            root = _root(process)
            inside = root / named.relative_to("/")
            found = parse(inside, named, root=root)
            found.changed_since_start = inside.stat().st_mtime > process.stat().st_mtime + 1
        except (OSError, IndexError, ValueError):
            continue
        if any(listener.port == port for listener in found.listeners):
            return found
    return None


def _root(process: Path) -> Path:
    """Return where the process's paths begin: in a container they are the container's. Only its user and root may look there."""
    own = process / "root"
    return own if os.access(own, os.X_OK) else Path("/")


def parse(path: Path, shown: Path | None = None, root: Path = Path("/")) -> Configuration:
    """Return what a file says, with what it includes; `shown` is its name for people. Raises OSError."""
    out = Configuration(shown or path)
    current: Listener | None = None
    for name, value in _lines(path, root):
        if name == "listener":
            port, _, address = value.partition(" ")
            current = Listener(int(port) if port.isdigit() else 0, address.strip(), {})
            out.listeners.append(current)
        elif current is not None and name in _OF_A_LISTENER:
            current.options[name] = value
        else:
            out.options[name] = value
    if not out.listeners:
        # Without a listener 2.0 listens on loopback only; options before any listener are the default one's.
        number = out.number("port", 1883)
        own = {name: out.options[name] for name in _OF_A_LISTENER if name in out.options}
        out.listeners.append(Listener(number, "" if "port" in out.options else "127.0.0.1", own))
    return out


def _lines(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode(errors="replace")
    for line in text.splitlines():
        found = re.match(r"(\w+)(?:\s+(.*?))?\s*$", line.strip())
        if not found or line.lstrip().startswith("#"):
            continue
        name, value = found[1], found[2] or ""
        if name == "include_dir" and value.startswith("/"):
            folder = root / value.lstrip("/")
            # Another container has the folder under another path, beside this file.
            folder = folder if folder.is_dir() else path.parent / folder.name
            for other in sorted(folder.glob("*.conf")):
                yield from _lines(other, root)
        else:
            yield name, value
