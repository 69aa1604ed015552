"""`sensorline up` as a whole: lock, plan, supervise, and say where everything is."""

import asyncio
import sys
from pathlib import Path

from sensorline.up.console import Console
from sensorline.up.lock import folder_lock
from sensorline.up.plan import Wishes, make_plan, try_line
from sensorline.up.supervisor import Supervisor

_NAMES = ("broker", "ingest", "web", "node")


def run_all(wishes: Wishes, vendor: Path) -> int:
    """Run every service until Ctrl-C or SIGTERM and return the exit code; `vendor` holds the page's libraries.

    Raises StartupError before anything has started: the folder is in use, a port or file cannot be had.
    """
    console = Console(sys.stdout.buffer, _NAMES)
    with folder_lock(wishes.folder):
        plan = make_plan(wishes, console.say)
        if not (vendor / "manifest.json").is_file():
            console.say("charts and live updates are missing on the page: run `make assets`, then reload it")

        def announce() -> None:
            console.say("")
            console.say(f"try        {try_line(plan)}")
            console.say(f"dashboard  {plan.dashboard_url}")
            console.say(f"broker     {plan.broker_url}")

        return asyncio.run(Supervisor(plan.services, console, announce).run())
