"""The life of an alert as pure values and functions: states, moves, rungs, durations."""
