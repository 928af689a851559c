"""Cameras: pictures, live view, who looked, the sign and its public notice."""
