"""Passwords as Mosquitto 2.0 keeps them: `user:$7$iterations$salt$hash`, PBKDF2 with SHA-512 (mosquitto_passwd(1))."""

import base64
import hashlib
import secrets

ITERATIONS = 101
"""mosquitto_passwd's own number. Stretching is for passwords that can be guessed; ours are 192 random bits, and the broker
computes this in its only thread whenever somebody connects."""

SALT_BYTES = 12
"""What Mosquitto 2.0 expects: it takes no other length."""

HASH_BYTES = 64
"""SHA-512."""


def new_password() -> str:
    """Return a new password: 192 random bits as 32 characters that need no quotes in a shell, a URL or a .env file."""
    while True:
        password = secrets.token_urlsafe(24)
        # With a dash in front it would be taken for an option.
        if not password.startswith("-"):
            return password


def hash_line(user: str, password: str) -> str:
    """Return the line of a password file for this user, with a new salt."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, HASH_BYTES)
    return f"{user}:$7${ITERATIONS}${_base64(salt)}${_base64(digest)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
