"""What people may see of alerts, each within a scope."""
