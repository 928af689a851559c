"""Nothing committed is lost: outbox, publisher, evidence, configuration."""
