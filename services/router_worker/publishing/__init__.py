"""What a running job tells the world: its log in Redis while it runs, its outcome on Kafka when it has ended."""
