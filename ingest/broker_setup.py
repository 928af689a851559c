"""Writes mosquitto's configuration: TLS with client certificates, and who may use which topic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.errors import UserError
from config.topics import Topics
from config.wire import BATCH_LIMIT_BYTES
from ingest.certificates import Authority

CENTRE = "centre@menshen"
"""The centre's name in its certificate; no node can be called so."""
_USER = "%u"


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """What was written; the client files of a node are ``<node>.crt`` and ``<node>.key``."""

    configuration: Path
    access_list: Path
    authority: Path


def access_list(county: str) -> str:
    """Who may do what, by the name in the client's certificate.

    A node writes only below its own name and reads only what is for it; the centre does all.
    """
    topics = Topics(county)
    lines = [
        f"pattern write {topics.event(_USER, '+')}",
        f"pattern write {topics.presence(_USER)}",
        f"pattern write {topics.reported(_USER)}",
        f"pattern write {topics.enrolled(_USER)}",
        f"pattern read {topics.receipt(_USER)}",
        f"pattern read {topics.desired(_USER)}",
        f"pattern read {topics.household(_USER)}",
        "",
        f"user {CENTRE}",
        f"topic readwrite menshen/v1/{county}/#",
    ]
    return "\n".join(lines) + "\n"


def write_broker_files(
    folder: Path,
    *,
    county: str,
    nodes: Iterable[str],
    hosts: tuple[str, ...],
    port: int,
    now: datetime,
) -> BrokerFiles:
    """Make certificates that are missing, the access list and ``mosquitto.conf`` in ``folder``.

    Args:
        hosts: names and addresses under which nodes reach the broker.

    Raises:
        UserError: the folder cannot be used.
    """
    try:
        folder = folder.resolve()
        files = BrokerFiles(folder / "mosquitto.conf", folder / "access.acl", folder / "ca.crt")
        authority = Authority(folder, now)
        certificate, key = authority.issue("broker", hosts=hosts)
        for client in (CENTRE, *nodes):
            authority.issue(client)
        files.access_list.write_text(access_list(county), encoding="utf-8")
        files.access_list.chmod(0o600)
        text = _configuration(files, certificate=certificate, key=key, port=port)
        files.configuration.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            where=str(error.filename or folder),
            problem=f"cannot be written ({error.strerror})",
            remedy="give a folder of your own, and run it again",
        ) from None
    return files


def _configuration(files: BrokerFiles, *, certificate: Path, key: Path, port: int) -> str:
    return (
        "# Written by `menshen deploy mosquitto`. The broker keeps nothing: outboxes do.\n"
        f"listener {port}\n"
        f"cafile {files.authority}\n"
        f"certfile {certificate}\n"
        f"keyfile {key}\n"
        "tls_version tlsv1.2\n"
        "require_certificate true\n"
        "use_identity_as_username true\n"
        "allow_anonymous false\n"
        f"acl_file {files.access_list}\n"
        "persistence false\n"
        "max_inflight_messages 400\n"
        "max_queued_messages 10000\n"
        f"message_size_limit {BATCH_LIMIT_BYTES + 1_000}\n"
    )
