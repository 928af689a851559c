"""How much of what happened goes into a clip, in seconds."""

PRE_ROLL_S = 3.0
POST_ROLL_S = 2.0
LONGEST_S = 20.0
"""The ring reaches back a little further; of a longer visit the clip shows the end."""
