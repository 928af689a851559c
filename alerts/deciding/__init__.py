"""From a stored event to an alert or a reason for none, and how either is explained."""
