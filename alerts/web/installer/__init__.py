"""Installer: nodes and cameras, their health, and what is drawn on a picture."""
