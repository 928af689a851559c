"""Messages that cannot be stored: read as far as they can be, and kept within limits."""
