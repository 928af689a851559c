"""How often each camera is right, from what people found on the spot, and what would help."""
