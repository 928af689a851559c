"""Home: the pages of a home owner and the family."""
