# Everything goes through here. Needs make and Python 3.11, 3.12 or 3.13; the rest is brought into .tools and .venv.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

export UV_PYTHON_DOWNLOADS := never
# A company's own certificate authority is in the system's store, which uv does not read by itself.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
endif

VENV := .venv
PYTHON := $(VENV)/bin/python
MUSUBI := $(PYTHON) -m musubi
READY := $(VENV)/.installed
GROUPS := dev ingest binding broadcast ticketing insights topics simulator local

.PHONY: help up down status logs demo test test-unit check fmt topics asyncapi bench faults soak simulate clean lock chromium prometheus

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  STACK=docker runs the stack in containers. KAFKA_URL, MONGO_URL: use those servers instead of own ones."

$(READY): requirements/dev.txt requirements/bootstrap.txt deploy/local/bootstrap.sh
	@sh deploy/local/bootstrap.sh

up: $(READY) ## Bring everything up and, the first time, play the story (replicas: BINDING=3 INSIGHTS=2)
	@$(MUSUBI) up

down: $(READY) ## Stop everything; data stays
	@$(MUSUBI) down

status: $(READY) ## Show processes, their health, consumer lag
	@$(MUSUBI) status

logs: $(READY) ## Show logs (SERVICE=binding for one service)
	@$(MUSUBI) logs $(SERVICE)

demo: $(READY) ## Play the story on the running stack and print its report
	@$(MUSUBI) demo

test: $(READY) chromium prometheus ## Run all tests on real servers (T='path -k name' for some of them)
	@$(PYTHON) -m pytest --durations=15 $(T)

test-unit: $(READY) ## Run the tests that need no server
	@$(PYTHON) -m pytest --durations=5 -m "not integration and not e2e and not browser and not faults" $(T)

check: $(READY) ## Lint, types, house rules, generated files
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q tests/architecture
	@$(MUSUBI) asyncapi --check

fmt: $(READY) ## Format and fix what can be fixed by machine
	@$(PYTHON) -m ruff check --fix --exit-zero
	@$(PYTHON) -m ruff format

topics: $(READY) ## Create and align Kafka's topics
	@$(MUSUBI) topics

asyncapi: $(READY) ## Write docs/asyncapi from the code
	@$(MUSUBI) asyncapi

bench: $(READY) ## Run the benchmarks
	@$(PYTHON) -m benchmarks

faults: $(READY) ## Kill, freeze and cut off everything under traffic, and judge (SEED=n, ONLY='name name')
	@$(PYTHON) -m tests.faults --table .local/faults.md .local/faults.json $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

soak: $(READY) ## Anything at random for a while, then judge (SECONDS=600, SEED=n)
	@$(PYTHON) -m tests.faults --soak $(or $(SECONDS),600) --table .local/soak.md .local/soak.json $(if $(SEED),--seed $(SEED))

simulate: $(READY) ## Play schedules of crashes and trouble in virtual time, find planted bugs (SEEDS=100000, SEED=n replays)
	@$(PYTHON) -m tests.simulation --seeds $(or $(SEEDS),100000) $(if $(SEED),--seed $(SEED))

clean: $(READY) ## Stop everything and wipe data, logs and development keys
	@$(MUSUBI) clean

lock: $(READY) ## Write requirements/*.txt from pyproject.toml (UPGRADE=1: newest versions), and the jars' checksums
	@uv=$$(sh deploy/local/bootstrap.sh uv) && for group in bootstrap $(GROUPS); do \
	  echo "requirements/$$group.txt"; \
	  case $$group in bootstrap|dev) same=;; *) same="--constraint requirements/dev.txt";; esac; \
	  "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --python $(PYTHON) \
	    $(if $(UPGRADE),--upgrade) $$same --group $$group -o requirements/$$group.txt || exit 1; \
	done
	@$(PYTHON) -m deploy.local.jars

chromium:
	@sh deploy/local/chromium.sh

prometheus:
	@sh deploy/local/prometheus.sh
