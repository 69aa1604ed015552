"""Flask's configuration for development, production and tests; `WEB_ENV` chooses."""

from typing import ClassVar

from sensorline_web.settings import WebSettings


class Production:
    """What people use: errors are logged, never shown."""

    DEBUG = False
    TESTING = False
    # The API takes no bodies: whatever is larger than this is refused before it is read.
    MAX_CONTENT_LENGTH = 64 * 1024
    TEMPLATES_AUTO_RELOAD = False
    CACHE_KEY_PREFIX = "sensorline-web:"
    CACHE_THRESHOLD = 256
    STATIC_MAX_AGE_S: ClassVar[int] = 31_536_000
    """A year: the longest that RFC 9111 readers honour, for addresses that change with the file."""


class Development(Production):
    """Templates and static files are read again at each request."""

    TEMPLATES_AUTO_RELOAD = True
    STATIC_MAX_AGE_S: ClassVar[int] = 0


class Testing(Production):
    """For tests: errors still become problems, exactly as in production."""

    TESTING = True


_CONFIGS: dict[str, type[Production]] = {
    "development": Development,
    "production": Production,
    "testing": Testing,
}


def choose_config(settings: WebSettings) -> type[Production]:
    """Return the configuration class that `WEB_ENV` names."""
    return _CONFIGS[settings.env]
