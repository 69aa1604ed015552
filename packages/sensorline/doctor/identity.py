"""Whose session is it? Found out before anything else, since on some brokers a look as ingest would be ingest's session.

Mosquitto's use_username_as_clientid gives a user one session, whatever client id a program gives. So the first connection
subscribes to nothing, asks to keep the session, and looks whether there is one: under a client id that nobody else has used,
it can only be another program's of the same user. Beginning it anew would delete what waits there.
"""

import ipaddress

from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.session import Names, Session
from sensorline.errors import SensorlineError
from sensorline.mqtt import forget_session
from sensorline.settings import MqttSettings

_SERVICES = ("ingest", "web")
"""Users of mosquitto/acl that belong to a service."""


class NotOurs(SensorlineError):
    """The session that the broker gave us is another program's; nothing more may be done with it."""


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_user(settings: MqttSettings) -> None:
    """Raise NotOurs for a user whom we must not even connect as: that could put a service out for a second or two."""
    if settings.username in _SERVICES:
        raise NotOurs(
            f"the broker was not looked at as {settings.username!r}, who is a service: where each user has one session, that would put"
            " the service out for a moment; give a user of your own, with mosquitto/acl it is admin: -u admin"
        )


def session_follows_user(settings: MqttSettings, names: Names) -> bool:
    """Tell whether two client ids of one user share a session. Raises NotOurs or NotLetIn; leaves no session behind."""
    first, second = names.client_id, f"{names.client_id}-b"
    with Session(settings, first, keeps=True) as session:
        if session.session_present:
            raise NotOurs(
                f"the broker was looked at no further: on it the user {settings.username!r} has one session, and another program"
                " has it; give a user that no program has, with mosquitto/acl it is admin: -u admin"
            )
    follows = False
    try:
        # Without a user name there is nothing that a session could follow.
        if settings.username:
            with Session(settings, second, keeps=True) as session:
                follows = session.session_present
            if not follows:
                forget_session(settings, second)
    finally:
        forget_session(settings, first)
    return follows


def judge(settings: MqttSettings, follows: bool) -> Finding:
    """Return what it means that a session follows the user, or does not."""
    if follows:
        return Finding(
            level=Level.FINE,
            part="broker",
            check="client_id_theft",
            says="a session belongs to its user, whatever client id is given: no device can take or delete ingest's",
        )
    is_ours_alone = is_loopback(settings.host) and not settings.username
    who = "any user" if settings.username else "anybody who can connect"
    return Finding(
        level=Level.FINE if is_ours_alone else Level.PROBLEM,
        part="broker",
        check="client_id_theft",
        says=f"a session belongs to whoever gives its client id: {who} that connects as 'sensorline-ingest' ends ingest's"
        " session, and deletes what waits in it"
        + ("; on this machine's loopback that is programs of your own only" if is_ours_alone else ""),
        fix=""
        if is_ours_alone
        else "mosquitto.conf: use_username_as_clientid true (under each listener), and a user name for everybody",
    )
