"""Deletes what is due, keeps what the law holds, and can prove both."""
