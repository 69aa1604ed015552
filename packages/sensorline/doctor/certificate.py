"""The broker's certificate: who signed it, for which name, until when. Only with TLS."""

import math
import socket
import ssl
import time

from sensorline.doctor.findings import Finding, Level
from sensorline.settings import MqttSettings

DAY_S = 86_400
SOON_DAYS = 30
TIMEOUT_S = 5.0


def look(settings: MqttSettings) -> Finding:
    """Return what a program with these settings meets."""
    where = f"{settings.host}:{settings.port}"
    renew = "a new certificate in certfile and keyfile, then systemctl reload mosquitto"
    try:
        until_s = _valid_until_s(settings)
    except ssl.SSLCertVerificationError as exc:
        what = exc.verify_message or exc.reason or "no reason given"
        return _finding(
            Level.PROBLEM,
            f"{where} shows a certificate that is refused: {what}; nobody who checks it connects",
            renew,
        )
    except (OSError, ValueError) as exc:
        return _finding(Level.UNSEEN, f"the certificate of {where} could not be looked at: {exc}")
    days = (until_s - time.time()) / DAY_S
    ends = f"{where} shows a certificate that ends in {math.floor(days)} days"
    if days < SOON_DAYS:
        return _finding(Level.WARNING, f"{ends}; then no device connects any more", renew)
    return _finding(Level.FINE, ends)


def _valid_until_s(settings: MqttSettings) -> float:
    context = ssl.create_default_context(cafile=str(settings.cafile) if settings.cafile else None)
    context.check_hostname = not settings.insecure
    if settings.cert:
        context.load_cert_chain(settings.cert, settings.key)
    with (
        socket.create_connection((settings.host, settings.port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=settings.host) as secured,
    ):
        shown = secured.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _finding(level: Level, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="broker", check="certificate", says=says, fix=fix)
