"""The web: pages, JSON API and live stream for the people who answer alerts."""
