"""A county on one desk: every real process started together, and what it did counted."""
