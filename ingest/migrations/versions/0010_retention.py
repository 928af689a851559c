"""Holds, proofs of deletion, references to files, and limits of the dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, the trigger that notes references, and what it would have noted."""
    _create_holds()
    _create_proofs()
    _create_media()
    _create_letters()
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRESQL if is_postgresql else _SQLITE:
        op.execute(statement)


def _create_holds() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("id", _id(), primary_key=True),
        sa.Column(
            "owner", sa.String(63), nullable=False, comment="person who asked, and answers for it"
        ),
        sa.Column("case_number", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column(
            "camera", sa.String(63), comment="whose events are held; null: those of alert_id"
        ),
        sa.Column("alert_id", _id(), comment="whose events are held; null: those of camera"),
        sa.Column("first_at", _moment(), comment="events of camera captured from then on are held"),
        sa.Column("last_at", _moment(), comment="events of camera captured before then are held"),
        sa.Column("asked_at", _moment(), nullable=False),
        sa.Column("ends_at", _moment(), nullable=False, comment="the hold ends by itself then"),
        sa.Column(
            "confirmed_by", sa.String(63), comment="the second person; null: it lapses after 72 h"
        ),
        sa.Column("confirmed_at", _moment()),
        sa.Column("released_by", sa.String(63), comment="who ended it before its time"),
        sa.Column("released_at", _moment()),
        sa.Column("release_reason", sa.Text),
        comment="What is kept beyond its time for a named case, by two people, until a date.",
    )
    op.create_index("legal_holds_by_end", "legal_holds", ["ends_at"])
    op.create_table(
        "hold_events",
        sa.Column("event_id", _id(), primary_key=True),
        sa.Column(
            "hold_id", _id(), sa.ForeignKey("legal_holds.id", ondelete="CASCADE"), primary_key=True
        ),
        comment="The single events that holds of alerts keep; refreshed before each sweep.",
    )


def _create_proofs() -> None:
    op.create_table(
        "deletions",
        sa.Column(
            "seq", sa.BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … no gaps"
        ),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="event, media, letter or alert"),
        sa.Column("camera", sa.String(63), nullable=False, comment="of the events; else empty"),
        sa.Column(
            "rule", sa.Text, nullable=False, comment="why: the rule and its figures, in words"
        ),
        sa.Column("items", sa.Integer, nullable=False, comment="how many things this row proves"),
        sa.Column("first_item", sa.String(64), nullable=False, comment="lowest name in manifest"),
        sa.Column("last_item", sa.String(64), nullable=False, comment="highest name in manifest"),
        sa.Column(
            "manifest",
            sa.Text,
            nullable=False,
            comment="JSON [[name, sha256 of the content],…]: ids or hashes, never the content",
        ),
        sa.Column("previous", sa.String(64), nullable=False, comment="hash of the row before"),
        sa.Column(
            "hash", sa.String(64), nullable=False, comment="sha256 over this row and previous"
        ),
        comment="Proof of deletion: append-only, each row vouches for the one before.",
    )
    op.create_index("deletions_by_item", "deletions", ["kind", "first_item", "last_item"])
    op.create_table(
        "deletion_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="always 1"),
        sa.Column("rows", sa.BigInteger, nullable=False, comment="how many rows deletions has"),
        sa.Column("hash", sa.String(64), nullable=False, comment="hash of the last of them"),
        comment="The end of the chain. Its row is the lock between deleting and holding.",
    )
    op.execute(
        "INSERT INTO deletion_head (id, rows, hash) VALUES (1, 0,"
        " '0000000000000000000000000000000000000000000000000000000000000000')"
    )
    op.create_table(
        "deleted_seqs",
        sa.Column("node", sa.String(63), primary_key=True),
        sa.Column("epoch", _id(), primary_key=True),
        sa.Column("first_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        comment="Numbers whose events were stored and deleted at their time: never stored again.",
    )


def _create_media() -> None:
    op.create_table(
        "media_refs",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("event_id", _id(), primary_key=True),
        comment="Which events name which file; written by a trigger of events.",
    )
    op.create_index("media_refs_by_event", "media_refs", ["event_id"])
    op.create_table(
        "doomed_media",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("node", sa.String(63), nullable=False),
        sa.Column(
            "seq", sa.BigInteger, nullable=False, comment="the row of deletions that ordered it"
        ),
        sa.Column("ordered_at", _moment(), nullable=False),
        comment="Files whose deletion is proven already and that must still go; "
        "empty when at rest.",
    )


def _create_letters() -> None:
    op.add_column(
        "dead_letters",
        sa.Column(
            "stored_bytes",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="what the row holds of the message, in bytes: head and body",
        ),
    )
    op.create_index("dead_letters_by_time", "dead_letters", ["last_at", "id"])
    op.execute("UPDATE dead_letters SET stored_bytes = length(head) + length(coalesce(body, ''))")
    op.create_table(
        "letter_totals",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="always 1"),
        sa.Column("kept", sa.BigInteger, nullable=False, comment="rows of dead_letters"),
        sa.Column("kept_bytes", sa.BigInteger, nullable=False, comment="sum of their stored_bytes"),
        sa.Column(
            "dropped",
            sa.BigInteger,
            nullable=False,
            comment="letters dropped as the limit was met",
        ),
        sa.Column("dropped_bytes", sa.BigInteger, nullable=False),
        comment="How much dead_letters holds, and how much it had to drop, oldest first.",
    )
    op.execute(
        "INSERT INTO letter_totals (id, kept, kept_bytes, dropped, dropped_bytes)"
        " SELECT 1, count(*), coalesce(sum(stored_bytes), 0), 0, 0 FROM dead_letters"
    )


# A trigger, and not ingest, notes which files an event names: while replicas are restarted one
# by one, those of the version before store events too, and a file that nothing names is deleted.
_SQLITE = (
    """
    CREATE TRIGGER events_note_media AFTER INSERT ON events
    WHEN instr(NEW.body, '"evidence"') > 0
    BEGIN
        INSERT OR IGNORE INTO media_refs (sha256, event_id)
        SELECT json_extract(value, '$.sha256'), NEW.id FROM json_each(NEW.body, '$.evidence')
        WHERE json_extract(value, '$.sha256') IS NOT NULL;
    END
    """,
    """
    INSERT OR IGNORE INTO media_refs (sha256, event_id)
    SELECT json_extract(item.value, '$.sha256'), events.id
    FROM events, json_each(events.body, '$.evidence') AS item
    WHERE instr(events.body, '"evidence"') > 0
      AND json_extract(item.value, '$.sha256') IS NOT NULL
    """,
)
# By pattern, as PostgreSQL's json functions refuse a body with an escaped NUL.
_POSTGRESQL = (
    """
    CREATE FUNCTION note_media() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO media_refs (sha256, event_id)
        SELECT file[1], NEW.id
        FROM regexp_matches(NEW.body, '"sha256":"([0-9a-f]{64})"', 'g') AS file
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER events_note_media AFTER INSERT ON events FOR EACH ROW
    WHEN (strpos(NEW.body, '"evidence"') > 0) EXECUTE FUNCTION note_media()
    """,
    """
    INSERT INTO media_refs (sha256, event_id)
    SELECT found[1], events.id
    FROM events, regexp_matches(events.body, '"sha256":"([0-9a-f]{64})"', 'g') AS found
    WHERE strpos(events.body, '"evidence"') > 0
    ON CONFLICT DO NOTHING
    """,
)


def downgrade() -> None:
    """Drop the tables and the trigger."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER events_note_media ON events")
        op.execute("DROP FUNCTION note_media()")
    else:
        op.execute("DROP TRIGGER events_note_media")
    op.drop_index("dead_letters_by_time", "dead_letters")
    with op.batch_alter_table("dead_letters") as batch:
        batch.drop_column("stored_bytes")
    for name in (
        *("letter_totals", "doomed_media", "media_refs", "deleted_seqs", "deletion_head"),
        *("deletions", "hold_events", "legal_holds"),
    ):
        op.drop_table(name)
