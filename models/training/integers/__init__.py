"""Our networks in whole numbers, laid out for VNNI: read, measured and written."""
