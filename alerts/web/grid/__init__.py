"""Grid: the pages of those on duty."""
