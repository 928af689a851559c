"""Our own face detector: people made up and drawn, pictures of them, its training."""
