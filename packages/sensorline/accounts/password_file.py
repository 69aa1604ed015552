"""Mosquitto's password file, changed so that a broker that reads it meets the old or the new one, never half of it."""

import fcntl
import os
import pwd
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sensorline.accounts.passwords import hash_line
from sensorline.errors import SensorlineError

FILE_NAME = "passwd"
BROKER_USER = "mosquitto"


class PasswordFile:
    """The file `passwd` in the folder of Mosquitto's configuration. Lines that are not ours stay as they are.

    A change is a new file, on the disk before it takes the old one's place; its mode is 0600. It belongs to whom the old
    one belonged; a first one, made by root, to the user mosquitto if there is one. Raises SensorlineError when the
    folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def users(self) -> list[str]:
        """Return the user names, in the file's order; none if there is no file."""
        return [user for line in self._lines() if (user := _user_of(line))]

    def set(self, user: str, password: str) -> bool:
        """Give a user this password; True if there was no such user before."""
        return not self._change(user, lambda: [hash_line(user, password)])

    def remove(self, user: str) -> bool:
        """Take a user away; False if there was none."""
        return self._change(user, list)

    def _change(self, user: str, replacement: Callable[[], list[str]]) -> bool:
        with self._locked():
            lines = self._lines()
            kept = [line for line in lines if _user_of(line) != user]
            was_there = len(kept) < len(lines)
            new = replacement()
            if was_there or new:
                self._write([*kept, *new])
        return was_there

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text().splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as exc:
            why = getattr(exc, "strerror", None) or "it is not text"
            raise SensorlineError(f"cannot read {self.path}: {why}; run as its owner or as root") from exc

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder, so that of two changes at the same time none is lost."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as exc:
            raise SensorlineError(
                f"cannot open the folder {self.path.parent}: {exc.strerror}; --folder names the one with Mosquitto's {FILE_NAME}"
            ) from exc
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _write(self, lines: list[str]) -> None:
        new = self.path.with_name(f".{FILE_NAME}-{secrets.token_hex(4)}")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                _give_to(file.fileno(), self._owner())
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as exc:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise SensorlineError(
                f"cannot write {self.path}: {exc.strerror}; run as the folder's owner or as root"
            ) from exc

    def _owner(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            try:
                broker = pwd.getpwnam(BROKER_USER)
            except KeyError:
                return None
            return (broker.pw_uid, broker.pw_gid) if os.geteuid() == 0 else None
        return found.st_uid, found.st_gid


def _give_to(file: int, owner: tuple[int, int] | None) -> None:
    now = os.fstat(file)
    if owner is not None and owner != (now.st_uid, now.st_gid):
        os.fchown(file, *owner)


def _user_of(line: str) -> str:
    return "" if line.startswith("#") else line.partition(":")[0].strip()
