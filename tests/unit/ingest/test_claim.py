"""One ingest for each store: the second is told who holds it, and a kill releases it."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sensorline.errors import StartupError
from sensorline_ingest import claim
from sensorline_ingest.announcer import Instance
from sensorline_ingest.claim import StoreLock


def me(pid: int = 42) -> Instance:
    return Instance("host", pid, "store", "session", "2026-01-31T12:00:00+00:00")


def test_a_second_ingest_of_a_store_is_told_who_holds_it(tmp_path: Path) -> None:
    store = tmp_path / "new folder" / "a.db"
    lock = StoreLock(store, me())
    for _ in range(2):
        with pytest.raises(
            StartupError, match=r"held by another ingest: pid 42 on host since 2026-01-31T12:00:00"
        ):
            StoreLock(store, me(43))
    lock.release()


def test_a_released_store_can_be_held_again(tmp_path: Path) -> None:
    StoreLock(tmp_path / "a.db", me()).release()
    lock = StoreLock(tmp_path / "a.db", me(43))
    with pytest.raises(StartupError, match="pid 43"):
        StoreLock(tmp_path / "a.db", me(44))
    lock.release()


def test_two_stores_do_not_meet(tmp_path: Path) -> None:
    locks = [StoreLock(tmp_path / name, me()) for name in ("a.db", "b.db")]
    for lock in locks:
        lock.release()


_CHILD = """
import sys
from pathlib import Path
from sensorline_ingest.announcer import Instance
from sensorline_ingest import claim
from sensorline_ingest.claim import StoreLock
held = StoreLock(Path(sys.argv[1]), Instance.here("store", "session"))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_ingest_holds_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path / "a.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StartupError, match=f"pid {child.pid} on "):
            StoreLock(tmp_path / "a.db", me())
        child.kill()
        child.wait(10)
    StoreLock(tmp_path / "a.db", me()).release()


@pytest.mark.parametrize(
    "payload", [b"", b'{"state":"\xff"}', b"[" * 5000, b"[]", b'{"state":1,"instance":[]}', b"{}"]
)
def test_a_status_that_is_none_is_no_reason_to_stop(payload: bytes) -> None:
    """It is retained: ingest would meet it at each start."""
    assert claim._read_status(payload) is None


def test_a_machine_of_the_same_name_with_the_same_path_is_not_our_predecessor() -> None:
    here = Instance.here("/home/pi/var/sensorline.db", "sensorline-ingest")
    assert claim._is_predecessor(msgspec.to_builtins(here), here)
    twin = msgspec.structs.replace(here, machine="another")
    assert not claim._is_predecessor(msgspec.to_builtins(twin), here)
