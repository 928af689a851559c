"""Tables of duty that people enter: dated duties, and notes to those whose duty it is now."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from ingest.schema import UtcDateTime, id_type, metadata

duty_overrides = Table(
    "duty_overrides",
    metadata,
    Column("id", id_type(), primary_key=True, comment="of the dated duty"),
    Column("grid", String(63), nullable=False, comment="whose duty"),
    Column("starts_at", UtcDateTime, nullable=False, comment="from then on"),
    Column("ends_at", UtcDateTime, nullable=False, comment="until then"),
    Column(
        "people",
        Text,
        nullable=False,
        comment="JSON list of person ids, who is told first stands first",
    ),
    Column("reason", Text, nullable=False, comment="why, in words"),
    Column("made_by", String(63), nullable=False, comment="who entered it"),
    Column("made_at", UtcDateTime, nullable=False, comment="when; of several the latest holds"),
    Column("ended_at", UtcDateTime, comment="ended before its time"),
    Column("ended_by", String(63), comment="who ended it"),
    Index("duty_overrides_by_end", "ends_at"),
    comment="Dated duties in place of whatever roster and site file say.",
)

duty_notes = Table(
    "duty_notes",
    metadata,
    Column("id", id_type(), primary_key=True, comment="the reference that receipts name"),
    Column("person", String(63), nullable=False, comment="whom to tell"),
    Column("about", String(80), nullable=False, comment="the override or leave"),
    Column("title_zh", Text, nullable=False, comment="what it says, in Chinese"),
    Column("title_en", Text, nullable=False, comment="the same in English"),
    Column("written_at", UtcDateTime, nullable=False, comment="when it was written"),
    Column("state", String(16), nullable=False, comment="waiting, accepted, … or failed"),
    Column("channel", String(16), comment="the way used last"),
    Column("tried", Text, nullable=False, comment="JSON list of ways that are used up"),
    Column("attempts", Integer, nullable=False, comment="over the present way"),
    Column("next_attempt_at", UtcDateTime, comment="null: nothing more is done"),
    Column("provider_ref", String(200), comment="the provider's own id of it"),
    Column(
        "problem",
        Text,
        nullable=False,
        comment="why the last attempt failed, or nothing is left; or empty",
    ),
    Index("duty_notes_by_due", "next_attempt_at"),
    Index("duty_notes_by_person", "person", "written_at"),
    comment="What somebody is told about duty that is theirs now: they stand in, until when.",
)
