"""Faces that a home enrolled: kept encrypted on its node, matched there, erased there."""
