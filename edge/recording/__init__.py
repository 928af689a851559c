"""The long recording of a camera on the node's own disk, where somebody wants it."""
