"""What differs between machines: addresses, folders and logs, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.errors import UserError
from config.web_secrets import SealKey


class Settings(BaseSettings):
    """Read from variables that start with ``MENSHEN_`` (``MENSHEN_BROKER`` and so on)."""

    model_config = SettingsConfigDict(env_prefix="MENSHEN_", extra="ignore", frozen=True)

    broker: str | None = Field(default=None, pattern=r"^mqtts?://[^/\s]+$")
    """``mqtt://[user:password@]host:port``; absent: an embedded broker."""
    broker_ca: Path | None = None
    """PEM file of the authority that the broker's certificate is from; absent: the system's."""
    broker_certificate: Path | None = None
    """PEM file with our own certificate, which says who we are, and"""
    broker_key: Path | None = None
    """its private key."""
    database: str | None = Field(default=None, pattern=r"^(sqlite|postgresql)(\+\w+)?://")
    """SQLAlchemy address; absent: a SQLite file in ``data_dir``."""
    data_dir: Path = Path(".menshen")
    """Where state is kept: outbox, evidence, media, SQLite."""
    media: str | None = Field(default=None, pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[\w./-]*)?$")
    """``s3://bucket[/folder]`` keeps the centre's evidence in an S3-compatible store; absent: in
    ``data_dir``."""
    s3_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/\s@]+$")
    """``https://host[:port]`` of that store."""
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    models_dir: Path = Field(default_factory=lambda: Path.home() / ".cache" / "menshen" / "models")
    """Where pulled model files are kept."""
    models_mirror: Path | None = None
    """A folder that holds model files, for machines without internet."""
    evidence_budget_bytes: int = Field(default=4 * 1024**3, ge=1024**2)
    """Pictures and clips on an edge node that the centre does not have yet; the oldest go first."""
    evidence_keep_days: float = Field(default=30, gt=0, le=365)
    """After so many days they go even where there is room."""
    inference_providers: str = Field(default="cpu", pattern=r"^[A-Za-z0-9]+(\s*,\s*[A-Za-z0-9]+)*$")
    """Execution providers of ONNX Runtime, first choice first: ``cuda,cpu``. One that this
    machine lacks is left out with a log line."""
    inference_threads: int = Field(default=1, ge=1, le=64)
    """Threads inside one network."""
    inference_long_side: int = Field(default=640, ge=320, le=1920)
    """Pixels that the longer side of a picture is shrunk to before it is searched; twice as many
    cost four times the time and find things half as large."""
    inference_tile: int | None = Field(default=None, ge=160, le=4096)
    """Search for plates in overlapping tiles of at most so many pixels a side too, for small
    plates in pictures of 1080p and 4K; costs one search per tile. Absent: no tiles."""
    inference_face_model: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]{0,40}$")
    """Face detector of the catalogue, as ``menshen models list`` names it. Absent: yunet-n where it
    was pulled, our own elsewhere; ``face-plate-detector`` asks for our own, which finds fewer
    faces and saves an eighth to a quarter of a picture's time."""
    inference_precision: Literal["auto", "float", "int8"] = "auto"
    """Of our own networks on the CPU. ``auto`` measures at the start which is faster on this
    machine; name one where two machines must give the same scores."""
    second_factor: Literal["optional", "required"] = "optional"
    """``required``: police and administrators work only with one-time codes of their phone."""
    seal_key: SealKey | None = None
    """As ``web.seal_key`` of the secrets file, which comes first."""
    heartbeat_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/\S*)?$")
    """Called every minute while alerts are decided, timed and sent; whoever watches this address
    notices when the calls stop. Absent: nobody is called."""
    audit_checkpoints: Path | None = None
    """File to which the end of the audit log is written every minute, best on another disk;
    absent: ``audit-checkpoints.jsonl`` in ``data_dir``."""
    audit_checkpoint_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/\S*)?$")
    """Address outside that is sent the same lines by POST. Absent: nobody."""
    peer_url: str | None = Field(default=None, pattern=r"^https?://[^/\s@]+$")
    """``http://host:port`` at which the other web processes reach this one, when there are
    several; absent: where it listens, with this machine's name for "every address"."""
    log_style: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        UserError: a variable has a value that cannot be used; the value is not quoted.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "MENSHEN_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UserError(
            where="environment",
            field=name,
            problem=str(first["msg"]),
            remedy=f"correct or unset {name}",
        ) from None
