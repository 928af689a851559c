"""A dispatcher in a process of its own, for tests that kill it: ``FOLDER URL``."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from alerts.channels.webhook import WebhookChannel
from alerts.telling.dispatcher import Dispatcher
from config.clock import FakeClock
from config.site import Webhook, load_site
from ingest.engine import open_engine
from tests.alerts.county import DAY, sqlite_url

ROOT = Path(__file__).resolve().parents[2]


def main(folder: Path, url: str) -> None:
    """Send what is due once."""
    site = load_site(ROOT / "config" / "example_county.toml")
    hooked = site.model_copy(update={"webhooks": (Webhook(id="desk", url=url),)})
    clock = FakeClock(DAY)
    engine = open_engine(sqlite_url(folder))
    channel = WebhookChannel(hooked, {"desk": SecretStr("k")}, clock)
    Dispatcher(engine, hooked, clock, channel=channel, base_url="https://m.example").run_once()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
