"""Who must know: rules, routing, rosters, escalation, delivery channels and the web pages."""
