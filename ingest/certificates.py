"""Makes the county's own certificate authority, and certificates for broker, centre and nodes."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.errors import UserError

CA_DAYS = 3_650
LEAF_DAYS = 825
_SKEW = timedelta(days=1)
"""A certificate is valid since yesterday: nodes' clocks may be behind."""


class Authority:
    """A certificate authority in ``folder``: ``ca.crt`` for everybody, ``ca.key`` for nobody else.

    Elliptic curve P-256 throughout; X.509 version 3 as in RFC 5280.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        self._folder, self._now = folder, now
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "ca.key").exists():
                if (folder / "ca.crt").exists():
                    raise _without_key(folder)
                self._create()
            self._key = _load_key(folder / "ca.key")
            self._certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                where=str(folder),
                problem=f"the certificate authority cannot be read or written ({error})",
                remedy="give a folder of your own; a lost ca.key means new certificates for all",
            ) from None

    def issue(self, name: str, *, hosts: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """Certificate and key files of ``name``; one that is there is kept.

        Args:
            hosts: names and addresses of a server; empty for a client.
        """
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        if certificate.exists() and key.exists():
            return certificate, key
        private = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            self._builder(name, private.public_key(), days=LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        _write_secret(key, _pem(private))
        certificate.write_bytes(_signed(builder, self._key))
        return certificate, key

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder("Menshen county CA", key.public_key(), days=CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    key_cert_sign=True,
                    crl_sign=True,
                    digital_signature=False,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        (self._folder / "ca.crt").write_bytes(_signed(builder, key))
        _write_secret(self._folder / "ca.key", _pem(key))

    def _builder(
        self, name: str, public: ec.EllipticCurvePublicKey, *, days: int
    ) -> x509.CertificateBuilder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        known = getattr(self, "_certificate", None)
        issuer = known.subject if known is not None else subject
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _SKEW)
            .not_valid_after(self._now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    made = builder.add_extension(issuer, critical=False).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def _without_key(folder: Path) -> UserError:
    return UserError(
        where=str(folder),
        problem="ca.crt is there, and its ca.key is not",
        remedy="put ca.key back from where it is kept while this runs; if it is lost, use a new"
        " folder: every node then needs its new certificate",
    )


def _host(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    try:
        if name:
            return x509.DNSName(name)
    except ValueError:
        pass
    raise UserError(
        where="--host",
        problem=f"{name!r} cannot stand in a certificate",
        remedy="give an address, or a name in ASCII (xn--…)",
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("ca.key is not an elliptic-curve key")
    return key


def _write_secret(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
