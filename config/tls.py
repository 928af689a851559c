"""Whom a client trusts and who it is: the PEM files of a TLS connection."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from config.errors import UserError
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Who is trusted, and who we are: PEM files."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def broker_tls(settings: Settings) -> TlsFiles | None:
    """The files that the environment names for the broker; None where it names none.

    Raises:
        UserError: they do not fit together, or the broker's address is not one for TLS.
    """
    files = TlsFiles(settings.broker_ca, settings.broker_certificate, settings.broker_key)
    if files == TlsFiles():
        return None
    if (files.certificate is None) != (files.key is None):
        raise UserError(
            where="environment",
            field="MENSHEN_BROKER_CERTIFICATE",
            problem="a certificate and its key belong together, and one is missing",
            remedy="set MENSHEN_BROKER_CERTIFICATE and MENSHEN_BROKER_KEY, or neither",
        )
    if settings.broker is None or not settings.broker.startswith("mqtts://"):
        raise UserError(
            where="environment",
            field="MENSHEN_BROKER",
            problem="certificates are given, but the broker's address is not one for TLS",
            remedy="set MENSHEN_BROKER=mqtts://host:8883, or unset MENSHEN_BROKER_CA and its like",
        )
    return files


def client_context(files: TlsFiles | None) -> ssl.SSLContext:
    """A context that checks the server; None trusts whom the system trusts.

    Raises:
        UserError: a file cannot be read, or is not PEM.
    """
    files = files or TlsFiles()
    try:
        context = ssl.create_default_context(cafile=files.ca and str(files.ca))
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            where=str(files.certificate or files.ca),
            problem=f"cannot be used for TLS ({error})",
            remedy="give PEM files that this user may read",
        ) from None
    return context
