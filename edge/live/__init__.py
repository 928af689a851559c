"""Live view without re-encoding, over one outbound connection."""
