"""The stack on one machine without Docker: Kafka, a MongoDB-protocol server, the services, supervised."""
