"""Finished answers, kept for a moment (Flask-Caching): in memory, or in Redis where several processes share them."""

import structlog
from flask import Flask
from flask_caching import Cache

from sensorline_web.settings import WebSettings

log = structlog.get_logger()


class AnswerCache:
    """Keeps bytes by key for `cache_s` seconds. A cache that fails costs time, never an answer."""

    def __init__(self, app: Flask, settings: WebSettings) -> None:
        self._keep_s = settings.cache_s
        url = settings.redis_url.get_secret_value()
        self._errors: tuple[type[Exception], ...] = ()
        config: dict[str, object] = {"CACHE_TYPE": "SimpleCache"}
        if settings.cache_s == 0:
            config = {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
        elif url:
            # Imported here: Redis is optional, and its client takes long to load.
            from redis.exceptions import RedisError

            self._errors = (RedisError, OSError)
            config = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url}
            config["CACHE_OPTIONS"] = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
        self._cache = Cache(app, config={**app.config, **config})

    def get(self, key: str) -> bytes | None:
        """Return what was kept under a key, or None."""
        try:
            value = self._cache.get(key)
        except self._errors as exc:
            log.warning("cache_failed", detail=str(exc))
            return None
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes) -> None:
        """Keep bytes under a key. A NullCache keeps nothing."""
        try:
            # Zero would mean for ever.
            self._cache.set(key, value, timeout=max(round(self._keep_s), 1))
        except self._errors as exc:
            log.warning("cache_failed", detail=str(exc))
