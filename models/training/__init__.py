"""How the plate networks in models/weights were made: data, networks, training, export."""
