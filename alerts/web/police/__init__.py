"""Police: watch list, map, search, export, audit and figures."""
