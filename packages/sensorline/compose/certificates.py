"""The broker's certificate: a given one, or one by an authority of this stack's own. openssl makes them."""

import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from sensorline.compose.volumes import SENSORLINE_UID, own, write
from sensorline.errors import StartupError

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 825
"""The longest that all clients accept: Apple's refuse a certificate that is valid for longer."""

RENEWED_DAYS = 30
"""So many days before its end a certificate is made anew, at a start."""

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def bring_certificate(
    folder: Path, authority: Path, host: str, given: Path, say: Callable[[str], None]
) -> None:
    """Have server.crt and server.key in `folder`, and with an authority of ours its ca.crt; its key is in `authority`.

    `given` may hold a pair of the user's own (and a ca.crt for devices): it is taken as it is. Otherwise a certificate for
    `host` is made when there is none, when it is for another name, or when it ends within RENEWED_DAYS.
    Raises StartupError when only one of the pair is given or openssl fails; OSError when a folder cannot be written.
    """
    folder.mkdir(exist_ok=True)
    own(folder, SENSORLINE_UID, SENSORLINE_UID, 0o700)
    pair = ("server.crt", "server.key")
    is_there = [(given / name).is_file() for name in pair]
    if any(is_there):
        if not all(is_there):
            raise StartupError(f"BROKER_CERTS: expected {' and '.join(pair)} in that folder, one is missing")
        _take({name: given / name for name in (*pair, "ca.crt") if (given / name).is_file()}, folder, say)
        return
    if not (authority / "ca.crt").is_file():
        _openssl(authority, "req", "-x509", *_KEY, "-days", str(AUTHORITY_DAYS), "-subj", "/CN=Sensorline",
                 "-keyout", "ca.key", "-out", "ca.new")  # fmt: skip
        # The certificate is there when the key is: renamed last.
        (authority / "ca.new").replace(authority / "ca.crt")
    if not _is_good(authority / "server.crt", host):
        _sign(authority, host)
    _take({name: authority / name for name in (*pair, "ca.crt")}, folder, say)


def _take(files: dict[str, Path], folder: Path, say: Callable[[str], None]) -> None:
    changed = [
        write(folder / name, path.read_bytes(), (SENSORLINE_UID, SENSORLINE_UID), 0o600)
        for name, path in files.items()
    ]
    if any(changed):
        say(
            "the broker's certificate is new; one that runs reads it after: docker compose kill -s HUP mosquitto"
        )


def _is_good(certificate: Path, host: str) -> bool:
    if not certificate.is_file():
        return False
    option = "-checkip" if _is_address(host) else "-checkhost"
    asked = ["openssl", "x509", "-in", str(certificate), "-noout", "-checkend", str(RENEWED_DAYS * 86_400)]
    ended = subprocess.run(asked, capture_output=True, check=False).returncode != 0
    asked = ["openssl", "x509", "-in", str(certificate), "-noout", option, host]
    named = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return not ended and "does match" in named


def _sign(authority: Path, host: str) -> None:
    _openssl(
        authority,
        "req",
        *_KEY,
        "-subj",
        "/CN=Sensorline broker",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    )
    # `localhost` and `mosquitto` for whoever tries it out on this machine or inside the stack.
    names = [f"{'IP' if _is_address(host) else 'DNS'}:{host}", "DNS:localhost", "DNS:mosquitto"]
    (authority / "names").write_text(f"subjectAltName={','.join(dict.fromkeys(names))}\n")
    _openssl(authority, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
             "-extfile", "names", "-days", str(CERTIFICATE_DAYS), "-out", "server.new")  # fmt: skip
    (authority / "server.new").replace(authority / "server.crt")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(
            ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise StartupError("openssl is not here: the certificate cannot be made") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StartupError(f"openssl {arguments[0]} failed: {last}")
