"""Pages of what is told later, elsewhere or not at all: silences, wartime, digests."""
