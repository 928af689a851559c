"""Root cause first: a node or an area that is gone hides the alerts which that explains."""
