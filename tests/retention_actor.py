"""A real process that sweeps for ever, to be killed: DATABASE and MEDIA folder as arguments."""

from __future__ import annotations

import sys
from pathlib import Path

from alerts.retention.job import RetentionJob
from config.clock import SystemClock
from config.logs import configure_logs
from config.site import load_site
from ingest.engine import open_engine
from ingest.media import DiskStore

if __name__ == "__main__":
    configure_logs(level="error")
    site = load_site(Path(__file__).resolve().parent.parent / "config" / "example_county.toml")
    job = RetentionJob(open_engine(sys.argv[1]), site, SystemClock(), DiskStore(Path(sys.argv[2])))
    print("ready", flush=True)
    while True:
        job.sweep()
