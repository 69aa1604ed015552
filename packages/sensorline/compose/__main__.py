"""`python -m sensorline.compose COMMAND`, in containers only: prepare, login, tokens, save, load."""

import os
import sys
from pathlib import Path

from sensorline import compose
from sensorline.errors import SensorlineError

VOLUMES = Path("/volumes")
BROKER_FILES = Path("/opt/sensorline/mosquitto")
GIVEN_CERTIFICATE = Path("/given")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(command: str) -> int:
    """Run a command on the volumes of the stack; return the exit code."""
    try:
        if command == "prepare":
            host, tls = os.environ.get("BROKER_HOST") or "localhost", os.environ.get("BROKER_TLS") == "true"
            compose.prepare(
                VOLUMES, BROKER_FILES, broker_host=host, tls=tls, given=GIVEN_CERTIFICATE, say=_say
            )
        elif command == "login":
            sys.stdout.writelines(f"{line}\n" for line in list(compose.first_login(VOLUMES))[1:])
        elif command == "tokens":
            compose.make_tokens(VOLUMES, _say)
        elif command == "save":
            compose.save(VOLUMES, sys.stdout.buffer)
        elif command == "load":
            _say(f"loaded the backup of {compose.load(VOLUMES, sys.stdin.buffer)}")
        else:
            raise SensorlineError(f"{command!r}: expected prepare, login, tokens, save or load")
    except SensorlineError as exc:
        _say(f"sensorline: {exc}")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
