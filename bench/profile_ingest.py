"""`make profile`: where ingest's CPU time goes under load, function by function.

python bench/profile_ingest.py [--null] [FORM]    FORM is one of load.FORMS; --null measures without a store
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import ingest
from load import FORMS
from processes import HERE, answers, free_port, mosquitto, started, wait_for

MESSAGES = 300_000


def main(options: list[str], form: str) -> None:
    """Load an ingest that is profiled, and print what it saw."""
    health, count = free_port(), MESSAGES // FORMS[form]
    with tempfile.TemporaryDirectory(prefix="sensorline-profile-") as name:
        folder = Path(name)
        env = {"INGEST_HTTP_PORT": str(health), "LOG_LEVEL": "warning", "STORE_PATH": str(folder / "p.db")}
        with mosquitto(folder) as port:
            argv = [sys.executable, str(HERE / "profiled_ingest.py"), *options, "-p", str(port)]
            with started(argv, folder / "ingest.log", env):
                wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
                load = [sys.executable, str(HERE / "load.py"), str(port), str(count), "500", "0", form]
                subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
                wait_for("all readings", lambda: ingest.stored(health) >= count * FORMS[form], 120)
        print((folder / "ingest.log").read_text())


if __name__ == "__main__":
    arguments = sys.argv[1:]
    null = [a for a in arguments if a == "--null"]
    forms = [a for a in arguments if a != "--null"] or ["ts"]
    if forms[0] not in FORMS or len(forms) > 1:
        sys.exit(f"profile: unknown: {' '.join(forms)}; expected one of {', '.join(FORMS)}, and --null")
    main(null, forms[0])
