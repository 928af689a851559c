"""Rosters: who is on duty or stands in for whom, as files, pages and calendars have it."""
