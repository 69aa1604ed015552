"""What the one-shot containers of docker-compose.yml do: secrets at first start, tokens, saving and loading volumes.

The volumes are below one folder, each under its name. Nothing here knows of Docker, so all of it works on any folders.
"""

from sensorline.compose.archive import load, save
from sensorline.compose.login import first_login
from sensorline.compose.prepare import prepare
from sensorline.compose.tokens import make_tokens

__all__ = ["first_login", "load", "make_tokens", "prepare", "save"]
