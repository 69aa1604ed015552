"""The first start: every secret is made here, on the user's machine, each in the volume of who needs it.

Done at each start, it makes what is missing and keeps what is there.
"""

from collections.abc import Callable
from pathlib import Path

from sensorline.accounts import PasswordFile, new_password
from sensorline.compose.certificates import bring_certificate
from sensorline.compose.login import first_login
from sensorline.compose.volumes import (
    INFLUXDB_UID,
    LOGIN_PASSWORD_FILE,
    OPERATOR_TOKEN_FILE,
    PASSWORD_FILE,
    SENSORLINE_UID,
    VOLUMES,
    accounts,
    own,
    write,
)
from sensorline.errors import StartupError


def prepare(
    folder: Path, broker_files: Path, *, broker_host: str, tls: bool, given: Path, say: Callable[[str], None]
) -> None:
    """Prepare the volumes below `folder`; the first login goes to `say`, once.

    `broker_files` has mosquitto.conf, acl and tls.conf. With `tls` the broker listens for devices, too, with the certificate
    in `given`, if there is one, or with one for `broker_host`. Raises StartupError when a volume cannot be written.
    """
    try:
        for volume in VOLUMES:
            own(folder / volume.name, volume.uid, volume.gid, volume.mode)
        is_new = _influxdb(folder / "secrets-influxdb")
        config = folder / "broker-config"
        _broker(config, broker_files, tls=tls)
        is_new = _passwords(folder, config) or is_new
        if tls:
            bring_certificate(config / "certs", folder / "authority", broker_host, given, say)
        _command_line_client(folder / "secrets-admin")
    except OSError as exc:
        raise StartupError(f"cannot prepare {exc.filename or folder}: {exc.strerror}") from exc
    if is_new:
        for line in first_login(folder):
            say(line)


def _influxdb(folder: Path) -> bool:
    """Make the first user's password and the operator's token; False if both are there."""
    made = False
    for name in (LOGIN_PASSWORD_FILE, OPERATOR_TOKEN_FILE):
        if not (folder / name).is_file():
            made = write(folder / name, new_password(), (INFLUXDB_UID, SENSORLINE_UID), 0o440)
    return made


def _broker(config: Path, files: Path, *, tls: bool) -> None:
    owner = (SENSORLINE_UID, SENSORLINE_UID)
    listeners = config / "conf.d"
    listeners.mkdir(exist_ok=True)
    own(listeners, *owner, 0o700)
    for name in ("mosquitto.conf", "acl"):
        write(config / name, (files / name).read_bytes(), owner, 0o600)
    if tls:
        write(listeners / "tls.conf", (files / "tls.conf").read_bytes(), owner, 0o600)
    else:
        (listeners / "tls.conf").unlink(missing_ok=True)


def _passwords(folder: Path, config: Path) -> bool:
    """Make a password for everybody who has none; False if nothing was missing."""
    file = PasswordFile(config)
    owner = (SENSORLINE_UID, SENSORLINE_UID)
    known = set(file.users())
    made = False
    for user, volume in accounts().items():
        path = folder / volume / PASSWORD_FILE
        is_new = not path.is_file()
        if is_new:
            write(path, new_password(), owner, 0o400)
        # The hash follows the password: if the last start ended between the two, it is missing.
        if is_new or user not in known:
            file.set(user, path.read_text())
            made = True
    own(file.path, *owner, 0o600)
    return made


def _command_line_client(folder: Path) -> None:
    """Write what mosquitto_sub and mosquitto_pub read by themselves: a password in their arguments could be seen."""
    options = f"-h mosquitto\n-u admin\n-P {(folder / PASSWORD_FILE).read_text()}\n"
    for program in ("mosquitto_sub", "mosquitto_pub"):
        write(folder / program, options, (SENSORLINE_UID, SENSORLINE_UID), 0o400)
