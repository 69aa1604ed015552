"""A supervisor of stand-in services in a process of its own, run by test_supervisor.py.

Usage: python stand_in.py JSON, a list of [name, Python source, keyword arguments of Service].
"""

import asyncio
import json
import os
import signal
import sys

from sensorline.up.console import Console
from sensorline.up.services import Check, Service
from sensorline.up.supervisor import Supervisor


def main() -> int:
    # Whoever runs the tests may do so under nohup, which is inherited and means something to the supervisor.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    services = []
    for name, source, options in json.loads(sys.argv[1]):
        if "port" in options:
            options["ready"] = Check("127.0.0.1", options.pop("port"))
        argv = tuple(options.pop("argv", (sys.executable, "-c", source)))
        services.append(Service(name, argv, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **options))
    console = Console(sys.stdout.buffer, [service.name for service in services])
    return asyncio.run(Supervisor(services, console, lambda: console.say("all ready"), late_s=0.5).run())


if __name__ == "__main__":
    sys.exit(main())
