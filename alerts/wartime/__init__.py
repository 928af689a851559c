"""Wartime (战时): other rosters, shorter timers, more people at once; never less privacy."""
