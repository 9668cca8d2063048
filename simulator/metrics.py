"""What the stand-in counts about itself, in Prometheus form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
API_CALLS = Counter("simulator_api_calls", "Calls of LINE's API by status", ("api", "status"), registry=REGISTRY)
API_SECONDS = Histogram("simulator_api_seconds", "Time to answer a call of LINE's API", ("api",), registry=REGISTRY)
PENDING = Gauge("simulator_webhooks_pending", "Webhooks not yet delivered nor given up", registry=REGISTRY)
WEBHOOKS = Gauge("simulator_webhooks", "Webhooks by outcome since start or reset", ("outcome",), registry=REGISTRY)
PEOPLE = Gauge("simulator_people", "People who exist", registry=REGISTRY)
