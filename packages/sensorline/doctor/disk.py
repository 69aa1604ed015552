"""The disk below the store: room, whether it can be written, and whether its file system keeps its word."""

import os
from collections.abc import Iterator
from pathlib import Path

from sensorline.doctor.context import in_bytes
from sensorline.doctor.findings import Finding, Level

DAY_S = 86_400
LEAST_FREE_BYTES = 100e6
FEW_FREE_BYTES = 500e6
FEW_DAYS, MANY_DAYS = 3, 30

_IN_MEMORY = ("tmpfs", "ramfs")
_OF_A_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs")
"""sqlite.org/wal.html: a write-ahead log does not work over a network file system."""
_WITHOUT_JOURNAL = ("vfat", "exfat", "msdos")


def look(
    folder: Path, bytes_per_s: float | None, mounts: Path = Path("/proc/self/mountinfo")
) -> Iterator[Finding]:
    """Yield what is to be said of the file system of a folder; `bytes_per_s` is how fast the store grows, if that is known."""
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    if found.f_flag & os.ST_RDONLY:
        yield _finding(
            Level.PROBLEM,
            "read_only",
            f"{folder} is on a file system that is mounted read-only: nothing can be stored",
            "mount -o remount,rw …   (dmesg says why, if it was not meant)",
        )
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield _finding(
            Level.WARNING,
            "writable",
            f"{folder} cannot be written by the user who asks; ingest's has to be able to",
        )
    yield from _room(folder, found.f_bavail * found.f_frsize, bytes_per_s)
    if not found.f_favail and found.f_files:
        yield _finding(
            Level.PROBLEM, "inodes", f"{folder} has room, and no inode left for another file", "delete files"
        )
    kind = file_system(folder, mounts)
    if kind in _IN_MEMORY:
        yield _finding(
            Level.PROBLEM,
            "file_system",
            f"{folder} is in memory ({kind}): everything that is stored is gone at the next restart",
            "STORE_PATH on a disk",
        )
    elif kind in _OF_A_NETWORK:
        yield _finding(
            Level.PROBLEM,
            "file_system",
            f"{folder} is on a network file system ({kind}): SQLite's write-ahead log does not work there",
            "STORE_PATH on a disk of this machine",
        )
    elif kind in _WITHOUT_JOURNAL:
        yield _finding(
            Level.WARNING,
            "file_system",
            f"{folder} is on {kind}, which keeps no journal: a power cut can damage it, and everybody can read it",
            "STORE_PATH on ext4, btrfs or xfs",
        )


def _room(folder: Path, free: float, bytes_per_s: float | None) -> Iterator[Finding]:
    days = free / (bytes_per_s * DAY_S) if bytes_per_s else None
    says = f"{in_bytes(free)} free at {folder}"
    if days is not None:
        lasts = f"{days:,.0f} days" if days < 3_650 else "more than ten years"
        says += f", at the present rate for {lasts} without what retention gives back"
    level = Level.FINE
    if free < LEAST_FREE_BYTES or (days is not None and days < FEW_DAYS):
        level = Level.PROBLEM
    elif free < FEW_FREE_BYTES or (days is not None and days < MANY_DAYS):
        level = Level.WARNING
    fix = (
        ""
        if level is Level.FINE
        else "make room, or a smaller STORE_KEEP_RAW_DAYS (ingest holds on while the disk is full)"
    )
    yield _finding(level, "room", says, fix)


def file_system(folder: Path, mounts: Path) -> str:
    """Return the type of the file system that a folder is on, as proc(5) names it; empty if that is not known."""
    wanted = folder.resolve()
    best, kind = -1, ""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = Path(fields[4].replace("\\040", " "))
        # Of several on one point the last one is seen.
        if (wanted == point or point in wanted.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="disk", check=check, says=says, fix=fix)
