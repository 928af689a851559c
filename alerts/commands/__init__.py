"""The command lines of the centre: one module per group of commands."""
