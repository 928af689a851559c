"""The centre's door: subscribe, store each event once, answer with a receipt; media."""
