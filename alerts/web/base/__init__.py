"""Base: what every page stands on: errors, headers, limits, templates, words, uploads."""
