"""Copies of the database and of the evidence, and the way back."""
