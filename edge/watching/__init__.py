"""Which pictures are worth a look: motion, gates, rings, and the children that decode."""
