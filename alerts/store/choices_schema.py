"""Tables of what people decide besides answers: duty, arming, consent, households, watch list."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Text

from ingest.schema import UtcDateTime, id_type, metadata

shift_swaps = Table(
    "shift_swaps",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("grid", String(63), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("giver", String(63), nullable=False, comment="who gives the turn away, and asked"),
    Column("taker", String(63), nullable=False, comment="who takes it"),
    Column("state", String(16), nullable=False, comment="asked, accepted, declined, withdrawn"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Index("shift_swaps_by_time", "grid", "ends_at"),
    comment="Turns of duty that change hands; accepted ones overrule the roster.",
)

arming = Table(
    "arming",
    metadata,
    Column("camera", String(63), primary_key=True),
    Column("mode", String(16), comment="chosen by hand; null: as the schedule says"),
    Column("until", UtcDateTime, comment="until when the mode chosen by hand holds"),
    Column("schedule", Text, nullable=False, comment="JSON list of alerts.arming.Turn"),
    Column("snoozed_until", UtcDateTime, comment="until when the owner wants silence"),
    Column("changed_by", String(63), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    comment="Whether a home's camera alerts: chosen by its owner.",
)

view_grants = Table(
    "view_grants",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("owner", String(63), nullable=False),
    Column("person", String(63), nullable=False, comment="who may look"),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False, comment="at most 30 minutes later"),
    Index("view_grants_by_person", "person", "until"),
    comment="An owner lets somebody see the pictures of one alert of their home for a while.",
)

household = Table(
    "household",
    metadata,
    Column("person_id", String(63), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("owner", String(63), nullable=False, comment="whose home they share"),
    Column("added_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    Index("household_by_owner", "owner"),
    comment="Family members: they see and answer for the cameras of the home they share.",
)

watch_entries = Table(
    "watch_entries",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("plate", String(16), nullable=False),
    Column("case_number", String(64), nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("grids", Text, nullable=False, comment="JSON list of grid ids, never empty"),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False, comment="at most 90 days after starts_at"),
    Column("requester", String(63), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="ended before its time, or refused"),
    Column("ended_by", String(63)),
    Index("watch_entries_by_plate", "plate", "ends_at"),
    comment="Plates looked for under a named case; without two approvals an entry does nothing.",
)

watch_votes = Table(
    "watch_votes",
    metadata,
    Column("entry_id", id_type(), ForeignKey("watch_entries.id"), primary_key=True),
    Column("person", String(63), primary_key=True),
    Column("approves", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    comment="One vote per person and entry; the requester has none.",
)

absences = Table(
    "absences",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("person", String(63), nullable=False, comment="who is on leave"),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("substitute", String(63), comment="who stands in; null: nobody"),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False, comment="asked, approved, declined, withdrawn"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", String(63)),
    Index("absences_by_time", "state", "ends_at"),
    comment="Leave; an approved one takes the person off every duty and step while it lasts.",
)

calendar_links = Table(
    "calendar_links",
    metadata,
    Column("person", String(63), primary_key=True),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    comment="The secret address of a person's duty calendar; a new one ends the old one.",
)

home_consents = Table(
    "home_consents",
    metadata,
    Column("owner", String(63), primary_key=True),
    Column("agreed", Boolean, nullable=False, comment="the grid may be told when they are silent"),
    Column("changed_at", UtcDateTime, nullable=False),
    comment="Whether an owner lets the grid's people be told of their home; no row means no.",
)

home_neighbours = Table(
    "home_neighbours",
    metadata,
    Column("owner", String(63), primary_key=True),
    Column("neighbour", String(63), primary_key=True),
    Column("state", String(16), nullable=False, comment="asked, accepted, declined, ended"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    comment="Neighbours whom an owner asked to be told in their place, and who agreed.",
)

owner_calls = Table(
    "owner_calls",
    metadata,
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(63), nullable=False),
    Column("called_at", UtcDateTime, nullable=False),
    comment="Alerts for which a home itself called for help: consent for that alert alone.",
)

answers_used = Table(
    "answers_used",
    metadata,
    Column("token_id", String(64), primary_key=True),
    Column("alert_id", id_type(), nullable=False),
    Column("person", String(63), nullable=False),
    Column("answer", String(16), nullable=False),
    Column("used_at", UtcDateTime, nullable=False),
    comment="One-time answers from a notification that have been given.",
)
