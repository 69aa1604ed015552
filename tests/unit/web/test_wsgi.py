"""What the async modes change in the process."""

import subprocess
import sys
from pathlib import Path

from tests.support.environment import clean_environment

# The lookup ends only if something else runs meanwhile.
SLOW_LOOKUP = """
import os, socket
reader, writer = os.pipe()
read, plain = os.read, socket.getaddrinfo

def slow(host, *rest):
    if host == "broker.example":
        if rest[-1] & socket.AI_NUMERICHOST:
            raise socket.gaierror("a name")
        read(reader, 1)
        host = "127.0.0.1"
    return plain(host, *rest)

socket.getaddrinfo = slow
import sensorline_web.wsgi
import eventlet

eventlet.spawn_after(0.01, os.write, writer, b"x")
print(socket.getaddrinfo("broker.example", 1883)[0][4], socket.getaddrinfo("127.0.0.1", 1)[0][4])
"""


def test_eventlet_goes_on_while_a_name_is_looked_up(tmp_path: Path) -> None:
    env = clean_environment({"WEB_ASYNC_MODE": "eventlet"})
    done = subprocess.run(
        [sys.executable, "-c", SLOW_LOOKUP], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "('127.0.0.1', 1883) ('127.0.0.1', 1)\n", done.stderr
