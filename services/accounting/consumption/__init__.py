"""From Kafka's records to messages that can be recorded, and the way out for those that cannot be read."""
