"""Sightings to events: tracks, visits, areas, drafts and clips."""
