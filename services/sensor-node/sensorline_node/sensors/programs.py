"""Running another program for its output: what `pi` and `lm_sensors` share."""

import subprocess

from sensorline.errors import SensorError

TIMEOUT_S = 5.0
"""A chip on a slow bus takes a second or two. Stopping the node ends the program as well: a terminal signals the whole
group of processes, and so does systemd."""


def output_of(sensor: str, command: list[str], how_to_get: str) -> str:
    """Return what a program printed. Raises SensorError if it is missing, too slow or failed, saying what to do."""
    program = command[0]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise SensorError(sensor, f"the program `{program}` is missing; {how_to_get}") from None
    except subprocess.TimeoutExpired:
        raise SensorError(sensor, f"`{' '.join(command)}` gave nothing within {TIMEOUT_S:.0f} s") from None
    except OSError as exc:
        raise SensorError(sensor, f"`{program}` cannot be run: {exc.strerror}; {how_to_get}") from exc
    text = done.stdout.decode(errors="replace")
    # Both programs may complain about one value and still print the others.
    if done.returncode and not text.strip():
        why = done.stderr.decode(errors="replace").strip().splitlines()
        raise SensorError(
            sensor,
            f"`{' '.join(command)}` failed with code {done.returncode}: {why[0] if why else 'no message'}; {how_to_get}",
        )
    return text
