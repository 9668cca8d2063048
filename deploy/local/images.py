"""Container images of the servers: the ones docker-compose.yml names, and tests with STACK=docker run on."""

KAFKA_IMAGE = "apache/kafka:4.1.0"
MONGO_IMAGE = "mongo:8.0"
