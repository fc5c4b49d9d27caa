"""Kafka, Redis and PostgreSQL behind the ports; only the wiring names what is in here."""
