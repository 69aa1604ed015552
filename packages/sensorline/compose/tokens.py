"""InfluxDB's tokens, each into the volume of the one who uses it."""

import os
from collections.abc import Callable
from pathlib import Path

from sensorline.compose.volumes import TOKEN_FILE, write
from sensorline.errors import StartupError
from sensorline.settings import StoreSettings, load
from sensorline.stores.influxdb.settings import InfluxSettings


def make_tokens(folder: Path, say: Callable[[str], None]) -> None:
    """Make buckets and tokens with the operator's token from the environment, and write `secrets-WHO/influxdb-token`.

    Raises StoreUnavailable when InfluxDB refuses or does not answer, StartupError when a volume cannot be written.
    """
    from sensorline.stores.influxdb.setup import set_up

    settings = load(InfluxSettings, StoreSettings)
    # These buckets are the stack's own: what .env says of retention is meant.
    made = set_up(settings[InfluxSettings], settings[StoreSettings], may_shorten=True)
    for line in made.told:
        say(line)
    try:
        for who, token in made.tokens.items():
            volume = folder / f"secrets-{who}"
            if write(volume / TOKEN_FILE, token, (os.getuid(), os.getgid()), 0o400):
                say(f"wrote the token of {who}")
    except OSError as exc:
        raise StartupError(f"cannot write a token to {exc.filename}: {exc.strerror}") from exc
