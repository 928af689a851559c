"""Retention above the store: what alerts keep of events, the job, its audit and its commands."""
