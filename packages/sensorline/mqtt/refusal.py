"""Why there is no connection, in words for people."""


def no_connection(exc: BaseException | None, host: str, port: int) -> str:
    """Return a sentence for what stopped the attempt to connect to `host:port`."""
    # Not by class: a connection without TLS must not load ssl, which is 4 MB.
    if type(exc).__module__ != "ssl":
        return f"no broker answers at {host}:{port}"
    reason = getattr(exc, "verify_message", "")
    if reason:
        # X.509 verification as OpenSSL words it: "certificate has expired", "Hostname mismatch, …".
        return (
            f"the certificate of the broker at {host}:{port} is not accepted ({reason.rstrip('.')}); renew it, connect by the"
            " name that it has, or set MQTT_CAFILE to the authority that signed it"
        )
    return f"no TLS connection with {host}:{port} ({exc}); is that the broker's TLS port?"
