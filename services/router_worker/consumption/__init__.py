"""From a Kafka topic to running jobs, without ever committing past one that has not ended."""
