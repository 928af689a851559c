"""Rendered scenes: a road seen from a gate camera, with vehicles, plates and people."""
