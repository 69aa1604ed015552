"""The web service as a real process, and pages of it in real Chromium."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from tests.support.ports import free_port
from tests.support.processes import SENSORLINE, Process
from tests.support.services import http_get
from tests.support.waiting import wait_until

CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Web(Process):
    """`sensorline web` over a store, on a port of its own."""

    def __init__(self, folder: Path, broker: Mapping[str, object], store: Path, **settings: object) -> None:
        self.port = free_port()
        base: dict[str, object] = {"WEB_PORT": self.port, "STORE_PATH": store, "LOG_FORMAT": "json"}
        super().__init__("web", [*SENSORLINE, "web"], folder, base | dict(broker) | settings)

    @property
    def url(self) -> str:
        """The page's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start_ready(self) -> "Web":
        """Start, and return when it has broker and store."""
        self.start()

        def ready() -> bool:
            assert self.is_running, f"web ended with {self.exit_code}\n{self.output()}"
            return http_get(f"{self.url}/readyz")[0] == 200

        wait_until(ready, 20, lambda: f"web to be ready\n{self.output()}")
        return self


class Watched:
    """A page whose requests and console are watched: `check()` fails if anything left the origin or went wrong.

    `tolerates` are parts of console messages that a test brings about itself, such as a refused connection.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._origin = urlsplit(url).netloc
        self.foreign: list[str] = []
        self.errors: list[str] = []
        page.on("request", self._request)
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._origin:
            self.foreign.append(request.url)

    def check(self, *, tolerates: tuple[str, ...] = ()) -> None:
        """Fail if a request left the origin or the console has an error."""
        assert self.foreign == []
        assert [e for e in self.errors if not any(t in e for t in tolerates)] == []

    def points(self, device: str, metric: str) -> list[dict[str, float]]:
        """Return what is drawn of a series: {t, mean, min, max, n}, oldest first."""
        drawn: list[dict[str, float]] = self.page.evaluate(
            "([device, metric]) => window.sensorline.points(device, metric)", [device, metric]
        )
        return drawn

    def wait_for_points(self, device: str, metric: str, condition: str, deadline_s: float = 15) -> None:
        """Wait until a JavaScript expression over `points` is true."""
        try:
            self.page.wait_for_function(
                f"([device, metric]) => {{ const points = window.sensorline.points(device, metric); return {condition}; }}",
                arg=[device, metric],
                timeout=deadline_s * 1000,
            )
        except PlaywrightTimeout as exc:
            drawn = [(point["t"], point["mean"], point["n"]) for point in self.points(device, metric)]
            raise AssertionError(
                f"{condition} of {device}:{metric} was not so within {deadline_s:g} s: {drawn}"
            ) from exc

    def wait_for_pill(self, words: str, deadline_s: float = 30) -> None:
        """Wait until the connection pill says so."""
        self.page.wait_for_function(
            "words => document.querySelector('#pill-words').textContent === words",
            arg=words,
            timeout=deadline_s * 1000,
        )


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run headless Chromium: the system's if there is one, else Playwright's own."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()
