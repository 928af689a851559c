"""Silences: what shall not be told for a while, who wants it so, and why."""
