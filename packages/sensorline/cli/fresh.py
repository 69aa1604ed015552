"""Going on as another program: what a service needs before it knows what it is to do, it need not carry for ever."""

import os
import sys
from typing import Any, NoReturn

from sensorline.cli.options import flags


def become(module: str, arguments: dict[str, Any]) -> NoReturn:
    """Replace this process by a fresh interpreter that runs `module`, with a command's arguments in its environment.

    The process keeps its number, and a password on the command line is no longer in the process list.
    """
    environment = dict(os.environ)
    for name, value in flags(arguments).items():
        if value != "":
            # A secret and the file that holds it are one setting, and the flag is the stronger.
            environment.pop(f"{name}_FILE", None)
            environment[name] = str(value)
    os.execve(sys.executable, [sys.executable, "-m", module], environment)  # noqa: S606 - our own module
