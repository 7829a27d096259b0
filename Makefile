# Binnacle's commands. `make help` lists them. Each does its own set-up; what is slow to fetch or to build is kept in
# the user's cache folder ($XDG_CACHE_HOME, else ~/.cache) and survives `make clean`.

PYTHON ?= python3
CACHE  := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/binnacle
# uv from the PATH, else from PyPI into a virtual environment of its own.
UV     := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/tools/bin/uv)
RUN    := .venv/bin/python
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-quick test-long lint format schema assets manifests cluster bench soak readme audit clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed assets ## Serve a simulated cluster on http://127.0.0.1:8080 (ARGS="--nodes 50 --port 9000").
	@.venv/bin/binnacle demo $(ARGS)

serve: .venv/installed assets ## Serve your own cluster (ARGS="--kubeconfig ... --prometheus-url ...").
	@.venv/bin/binnacle serve $(ARGS)

test: .venv/installed assets ## Run everything: lint, types, all tests, real cluster and browser included.
	@$(RUN) -m tests.run $(ARGS)

test-quick: .venv/installed assets ## Run the quick tests, which need no build and no browser (about two minutes).
	@.venv/bin/pytest -q -n auto -m "not cluster and not browser and not thorough" $(ARGS)

test-long: .venv/installed assets ## Run the long forms of random tests on the real cluster (some minutes).
	@.venv/bin/pytest -q -m long $(ARGS)

lint: .venv/installed ## Check format, lint, import layers and types.
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports
	@.venv/bin/mypy

format: .venv/installed ## Format the code and fix what the linter can fix.
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

schema: .venv/installed ## Write schema/schema.graphql anew.
	@.venv/bin/binnacle schema > schema/schema.graphql.new && mv schema/schema.graphql.new schema/schema.graphql

assets: .venv/installed ## Build GraphiQL for the browser (Node 20+ from the PATH, else from PyPI).
	@$(RUN) -m gateway.graphiql.build

manifests: .venv/installed ## Write deploy/manifests and the chart's schema anew after a change of chart or settings.
	@$(RUN) -m deploy.render

cluster: .venv/installed ## Start a real control plane with KWOK by hand (ARGS="--nodes 10 --pods 200 --prometheus").
	@$(RUN) -m tests.cluster up $(ARGS)

bench: .venv/installed assets ## Run the benchmarks on the real cluster; prints medians and ratios.
	@$(RUN) -m tests.benchmarks $(ARGS)

soak: .venv/installed assets ## Break everything in turn under load of 50 clients (ARGS="--minutes 30 --seed 7"; 5 minutes by default).
	@$(RUN) -m tests.soak $(ARGS)

readme: .venv/installed ## Walk the README from a fresh clone to the answer of one's own cluster; prints the seconds.
	@$(RUN) -m tests.readme

audit: .venv/installed ## Ask PyPI and npm for known holes in the locked packages; list their licences.
	@$(RUN) -m tests.advisories "$(UV)"

clean: ## Remove what was built in the checkout.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis gateway/graphiql/dist gateway/graphiql/node_modules tests/audits/node_modules tests/clients/node_modules tests/clients/generated tests/clients/relay/artifacts

.venv/installed: pyproject.toml uv.lock | $(UV)
	@echo "Installing the locked Python packages into .venv"
	@$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch $@

$(CACHE)/tools/bin/uv:
	@echo "Installing uv from PyPI into $(CACHE)/tools"
	@$(PYTHON) -m venv $(CACHE)/tools
	@$(CACHE)/tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
