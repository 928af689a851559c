"""What every process agrees on: settings, the site, the event and its topics, the clock."""
