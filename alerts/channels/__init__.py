"""Ways to reach people and machines, behind one interface."""
