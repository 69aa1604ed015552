"""Named points at which a test can stop a process, to kill it just there: between a commit and its acknowledgement, say.

Off, and a call of an empty function, unless SENSORLINE_PAUSE_AT names a folder when the process starts. Then a point is armed while
that folder holds a FIFO (mkfifo(3)) of the point's name that somebody reads: the process that comes there writes its number (pid) into it
and stops itself as SIGSTOP does, with all of its threads. SIGCONT lets it go on, SIGKILL ends it there. Points are passed once a batch
or less often, never once a reading.
"""

import os
import signal
import stat
import threading

VARIABLE = "SENSORLINE_PAUSE_AT"

POINTS = {
    "taken": "node: readings are durable in the outbox, and not sent",
    "confirming": "node: a confirmation is here, and the outbox still has the readings",
    "committing": "ingest: a batch is written, and its transaction not committed",
    "committed": "ingest: a batch is durable, and not acknowledged",
    "acknowledged": "ingest: the broker's messages are acknowledged, and the device's numbers not confirmed",
    "confirmed": "ingest: all of a batch is told",
    "sealing": "SQLite: readings are in blocks, and the transaction not committed",
    "joining": "SQLite: windows are in a day, and the transaction not committed",
    "delivering": "InfluxDB: what makes readers careful is there, and the readings are not",
    "delivered": "InfluxDB: has answered 204 to everything, and that is not noted",
    "noting": "InfluxDB: how far it has come is written, and the transaction not committed",
}
"""Every point, and what has happened there."""


def _go_on(point: str) -> None:
    """Do nothing: nobody asked for pauses when this process started."""


def _pause(point: str) -> None:
    """Stop here if somebody waits for it."""
    try:
        # Fails at once without such a file, or without anybody who reads it.
        fifo = os.open(os.path.join(_FOLDER, point), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        if not stat.S_ISFIFO(os.fstat(fifo).st_mode):
            return
        os.write(fifo, b"%d\n" % os.getpid())
    except OSError:
        return
    finally:
        os.close(fifo)
    # To this very thread, which then does nothing more: the process would take it up in any of its threads, a little later.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


_FOLDER = os.environ.get(VARIABLE, "")

pause_at = _pause if _FOLDER else _go_on
"""Call with one of POINTS."""
