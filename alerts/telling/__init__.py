"""From a transition to a notice in somebody's hand, and the answer that comes back."""
