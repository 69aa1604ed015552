"""Response headers that tell browsers what this page never does.

Sources: OWASP ASVS 5.0, section 3.4; CSP Level 3. Nothing is loaded from another host, nothing is inline.
"""

import re

from flask import Flask, Response, request

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)


def content_security_policy(host: str, is_secure: bool) -> str:
    """Return the policy for a page served as `host` (host:port).

    `'self'` covers WebSockets of the same origin in current browsers; Safari before 15.4 needs them named.
    """
    live = ""
    if _HOST.fullmatch(host):
        live = f" wss://{host}" if is_secure else f" ws://{host} wss://{host}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{live}; manifest-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; "
        "frame-ancestors 'none'"
    )


def register_security(app: Flask) -> None:
    """Add the headers to every answer."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = content_security_policy(request.host, request.is_secure)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-cache")
    return response
