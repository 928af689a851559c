"""The installer's tools: probe a camera, replay a recording."""
