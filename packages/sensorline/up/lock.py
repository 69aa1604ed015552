"""One `sensorline up` for one folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorline.errors import StartupError


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` (created if missing) until the end of the block or of this process.

    Raises StartupError naming the process that holds it, or why the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "up.lock").open("a+")
    except OSError as exc:
        raise StartupError(
            f"cannot write in {folder}/: {exc.strerror}; make it writable, or set UP_FOLDER to another folder"
        ) from exc
    with file:
        try:
            # The kernel releases it with the process, however that ends; children do not inherit the file.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise StartupError(
                f"{folder}/ is in use by {holder}: stop that one, or set UP_FOLDER to another folder"
            ) from None
        file.truncate(0)
        file.write(f"sensorline up, process {os.getpid()}\n")
        file.flush()
        yield
