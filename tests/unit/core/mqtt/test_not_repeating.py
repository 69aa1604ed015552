"""A link that leaves it to its user what goes again after a reconnection, and what it says when TLS fails."""

import ssl

import pytest

from sensorline.mqtt.refusal import no_connection


def test_a_certificate_that_is_not_accepted_is_named_with_the_reason_and_what_to_do() -> None:
    exc = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    exc.verify_message = "certificate has expired"
    said = no_connection(exc, "broker.lan", 8883)
    assert said.startswith(
        "the certificate of the broker at broker.lan:8883 is not accepted (certificate has expired)"
    )
    assert "MQTT_CAFILE" in said


def test_a_port_without_tls_is_suspected() -> None:
    said = no_connection(
        ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "broker.lan", 1883
    )
    assert "no TLS connection with broker.lan:1883" in said
    assert "is that the broker's TLS port?" in said


@pytest.mark.parametrize("exc", [None, ConnectionRefusedError(), TimeoutError()])
def test_a_broker_that_is_away_is_simply_away(exc: BaseException | None) -> None:
    assert no_connection(exc, "broker.lan", 1883) == "no broker answers at broker.lan:1883"
