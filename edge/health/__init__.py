"""What is wrong with a camera or a node, root cause first."""
