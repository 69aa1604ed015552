"""The volumes as one archive, and back: all that a backup needs besides what `influx backup` gives."""

import io
import json
import tarfile
import time
from pathlib import Path
from typing import IO, Any

from sensorline import __version__
from sensorline.compose.volumes import VOLUMES
from sensorline.errors import SensorlineError

MANIFEST = "sensorline-backup.json"
"""First in the archive: what it is, by which version, and when."""

END = "sensorline-backup.end"
"""Last in the archive, and empty. To tar an archive that was cut between two entries is a whole one."""

FORMAT = 1

# Debian 12's Python (3.11.2) has no filters yet; names and kinds are looked at below in any case.
_FILTER: dict[str, Any] = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


def save(folder: Path, out: IO[bytes]) -> None:
    """Write the saved volumes below `folder`, with owners and modes, to `out` as tar.gz. Raises SensorlineError."""
    about = {
        "format": FORMAT,
        "sensorline": __version__,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    text = json.dumps(about).encode()
    try:
        with tarfile.open(fileobj=out, mode="w|gz", format=tarfile.PAX_FORMAT) as archive:
            entry = tarfile.TarInfo(MANIFEST)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
            for volume in VOLUMES:
                if volume.is_saved:
                    archive.add(folder / volume.name, volume.name)
            archive.addfile(tarfile.TarInfo(END))
    except OSError as exc:
        raise SensorlineError(f"cannot save {exc.filename or folder}: {exc.strerror}") from exc


def load(folder: Path, archive: IO[bytes]) -> str:
    """Fill empty volumes from an archive and return when it was made, and by which version.

    Raises SensorlineError, before anything is written, when a volume is not empty or the archive is not one of ours; and
    when it breaks off: then the volumes are to be deleted.
    """
    full = [volume.name for volume in VOLUMES if any((folder / volume.name).iterdir())]
    if full:
        raise SensorlineError(
            f"{len(full)} volumes hold data already ({full[0]}, …): a backup goes into a new stack. Another one beside it:"
            " COMPOSE_PROJECT_NAME=other; in place of this one, which is then lost: docker compose down --volumes"
        )
    try:
        with tarfile.open(fileobj=archive, mode="r|gz") as entries:
            about = _about(entries)
            known = {volume.name for volume in VOLUMES}
            while (entry := entries.next()) is None or entry.name != END:
                if entry is None:
                    raise EOFError("it was cut off")
                parts = entry.name.split("/")
                if parts[0] not in known or ".." in parts or not (entry.isfile() or entry.isdir()):
                    raise SensorlineError(
                        f"{entry.name!r} belongs to no volume: this backup is not one of ours"
                    )
                entries.extract(entry, folder, numeric_owner=True, **_FILTER)
    except (tarfile.TarError, EOFError, OSError, ValueError) as exc:
        raise SensorlineError(
            f"the backup cannot be read to its end ({exc}); volumes may be half full: docker compose down --volumes, then again"
        ) from exc
    return f"{about['made_at']} by Sensorline {about['sensorline']}"


def _about(entries: tarfile.TarFile) -> dict[str, str]:
    first = entries.next()
    file = entries.extractfile(first) if first is not None and first.name == MANIFEST else None
    if file is None:
        raise SensorlineError(f"not a backup of Sensorline: it does not begin with {MANIFEST}")
    about = json.load(file)
    if about.get("format") != FORMAT:
        raise SensorlineError(
            f"the backup has format {about.get('format')}, this version knows {FORMAT}: use the Sensorline that wrote it"
        )
    return dict(about)
