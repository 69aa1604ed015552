"""Static files under addresses that change with their content, so that browsers may keep them for a year."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

VERSION_CHARS = 12


@lru_cache(maxsize=1024)
def _digest(path: Path, changed_ns: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:VERSION_CHARS]


def file_version(path: Path) -> str | None:
    """Return a short digest of a file's content, or None if there is no such file."""
    try:
        info = path.stat()
        return _digest(path, info.st_mtime_ns, info.st_size)
    except OSError:
        return None


def register_assets(app: Flask) -> None:
    """Make `url_for("static", …)` add `?v=…`, and let browsers keep what was asked for with the right one."""
    folder = Path(app.static_folder or "static")

    @app.url_defaults
    def _add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values and values.get("filename"):
            version = file_version(folder / str(values["filename"]))
            if version:
                values["v"] = version

    @app.after_request
    def _cache(response: Response) -> Response:
        if request.endpoint != "static" or response.status_code not in (200, 304):
            return response
        given = request.args.get("v")
        max_age_s = int(app.config["STATIC_MAX_AGE_S"])
        name = str((request.view_args or {}).get("filename", ""))
        if given and max_age_s and given == file_version(folder / name):
            response.headers["Cache-Control"] = f"public, max-age={max_age_s}, immutable"
        else:
            # Modules that import one another by plain name are asked for again, and answered by 304.
            response.headers["Cache-Control"] = "no-cache"
        return response
