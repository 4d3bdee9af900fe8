"""The TLS context of a server: what it shows its clients, read from PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path

from ovapi.config.settings import TlsConfig
from ovapi.config.values.files import read_text


class TlsError(Exception):
    """A file of `server.tls` cannot be used: `key` is that of the configuration."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """Raises TlsError."""
    _check_certificate(tls.certificate)
    _read("key", tls.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError("key", f"{tls.key} is not the key of the certificate") from None
        raise TlsError("key", f"{tls.key} is no private key in PEM, or too weak a one") from None
    except OSError as error:
        raise TlsError("key", f"{tls.key} cannot be read: {error.strerror}") from None
    return context


def _check_certificate(file: Path) -> None:
    _read("certificate", file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=file)
    except (ssl.SSLError, OSError):
        raise TlsError("certificate", f"{file} is no certificate in PEM") from None


def _read(key: str, file: Path) -> None:
    try:
        read_text(file)
    except OSError as error:
        raise TlsError(key, f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise TlsError(key, f"{file} cannot be read: {error}") from None


def _no_password() -> str:
    """OpenSSL would ask for it on the terminal."""
    raise TlsError("key", "is encrypted: store it without a passphrase, readable for the server")
