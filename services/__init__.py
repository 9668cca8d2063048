"""One package a service; they meet only on Kafka."""
