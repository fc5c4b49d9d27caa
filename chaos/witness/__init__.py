"""Those who saw what happened: the broker, the topics, PostgreSQL, Redis, the provider. None of them asks Sluice."""
