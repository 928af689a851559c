"""Chinese licence plates: grammar, renderer, detector and reader."""
