"""Container images that are not built here: docker-compose.yml names them, and tests with STACK=docker run on two."""

KAFKA_IMAGE = "apache/kafka:4.1.0"
MONGO_IMAGE = "mongo:8.0"
EDGE_IMAGE = "haproxy:3.2-alpine"
PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
GRAFANA_IMAGE = "grafana/grafana:12.1.1"
