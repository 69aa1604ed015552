"""Logs: a constant event name and fields; text for people, JSON for machines, always to standard error."""

import logging
import sys
import traceback

from sensorline.settings import LogSettings
from sensorline.sparing import absent, on_first_use

# Its colourful tracebacks and its asynchronous methods are not ours. Entry points import this module before any other
# that logs.
with absent("better_exceptions", "greenlet", "pygments", "rich"), on_first_use("asyncio"):
    import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(settings: LogSettings, service: str) -> None:
    """Set up structlog and the standard library's logging for this process; every line names the service."""
    as_text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    level = _LEVELS[settings.level]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
        if as_text
        else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        # Not a context variable: threads that a library starts do not inherit those.
        lambda _logger, _method, event: {"service": service, **event},
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not as_text),
    ]
    # Tracebacks without the values of variables: those may be secrets.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False) if not as_text else _plain_traceback
    )
    structlog.configure(
        processors=[*shared, tracebacks, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries that log the standard way: their warnings are ours too.
    logging.basicConfig(
        level=max(level, logging.WARNING), format=f"%(levelname)s {service} %(name)s: %(message)s"
    )


def _plain_traceback(exc_info: structlog.typing.ExcInfo) -> str:
    return "".join(traceback.format_exception(*exc_info)).rstrip()
