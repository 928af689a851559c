"""Alerts: their list, their live stream, one of them, and what is done about it."""
