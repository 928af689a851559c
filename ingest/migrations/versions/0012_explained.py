"""Every column of ingest's tables says in the database what it holds."""

from __future__ import annotations

from collections.abc import Callable

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WORDS = {
    "nodes": {
        "node": "name of the edge node, from the site description",
        "first_seen_at": "when its first event was stored",
    },
    "sequences": {
        "node": "the edge node",
        "updated_at": "when an event of this epoch was last stored",
    },
    "events": {
        "node": "the edge node that sent it",
        "epoch": "life of the node's outbox that numbered it",
        "camera": "the camera that saw it",
        "kind": "plate, face, motion, line, zone, loiter, health or shed",
        "severity": "info, notice, warning or critical",
        "revision": "counts the messages of one visit, from 0",
    },
    "routing_queue": {
        "event_id": "the event that waits",
        "enqueued_at": "since when it waits",
        "claimed_by": "the router that decides about it now",
    },
    "media": {
        "sha256": "of the file's bytes; its name in the store",
        "media_type": "image/jpeg or video/mp4",
        "size_bytes": "of the file",
        "received_at": "when it last arrived",
    },
    "dead_letters": {
        "id": "in order of first arrival",
        "topic": "MQTT topic, cut after 512 characters",
        "reason": "why it could not be stored",
        "size_bytes": "of the whole payload",
        "first_at": "when it first arrived",
        "last_at": "when it last arrived",
    },
    "presence": {
        "node": "the edge node",
        "outbox_events": "events that wait in its outbox",
        "cameras_online": "cameras that it receives",
    },
    "node_configs": {
        "node": "the edge node",
        "issued_at": "when this revision was made",
        "reported_at": "when the node last said so",
    },
    "legal_holds": {
        "id": "of the hold",
        "case_number": "of the case that needs it",
        "reason": "why, in words",
        "asked_at": "since when it works",
        "confirmed_at": "when the second person agreed",
        "released_at": "when it was ended",
        "release_reason": "why it was ended",
    },
    "hold_events": {
        "event_id": "an event that is kept",
        "hold_id": "the hold that keeps it",
    },
    "deletions": {
        "at": "when it was deleted",
    },
    "media_refs": {
        "sha256": "of the file",
        "event_id": "an event that names it",
    },
    "doomed_media": {
        "sha256": "of the file",
        "media_type": "image/jpeg or video/mp4",
        "size_bytes": "of the file",
        "node": "who sent it first",
        "ordered_at": "when its deletion was proven",
    },
    "deleted_seqs": {
        "node": "the edge node",
        "epoch": "life of the node's outbox",
        "first_seq": "first number of the range",
        "last_seq": "last number of the range",
    },
    "letter_totals": {
        "dropped_bytes": "what they held together, in bytes",
    },
}


def upgrade() -> None:
    """Add the comments; SQLite keeps none."""
    _comment(lambda words: "'" + words.replace("'", "''") + "'")


def downgrade() -> None:
    """Take them away."""
    _comment(lambda _: "NULL")


def _comment(quoted: Callable[[str], str]) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in _WORDS.items():
        for column, words in columns.items():
            op.execute(f"COMMENT ON COLUMN {table}.{column} IS {quoted(words)}")
