# The README's two commands are `make apply` and `make test`; `make help` lists the others.

VENV    := .venv
BIN     := $(VENV)/bin
PYTHON  ?= python3
SUDO    := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# age is for the tests of the secret store, the last ones for the pages that are printed.
DEBIAN  := $(shell cat orchestrator/lab/packages.txt) python3-venv age libpango-1.0-0 libpangoft2-1.0-0 \
           libharfbuzz-subset0 fonts-dejavu-core
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help apply test test-full check lint unit scan bench lock packages clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

apply: $(VENV)/ready packages ## start the lab, bring its hosts to the declared state and verify them
	pas-infra lab up rbx7 sysfab bastion
	pas-infra apply --yes

test: $(VENV)/ready packages ## every test that fits into CI's hour; ROLE=ssh runs only what it touches
	$(BIN)/python tests/run.py $(if $(ROLE),--role $(ROLE))

test-full: $(VENV)/ready packages ## the long tables and virtual machines too (docs/testing.md)
	PAS_INFRA_TAMPERING=all $(BIN)/python tests/run.py --full

check: $(VENV)/ready ## the everyday loop: lint and unit tests, within a minute
	$(BIN)/python tests/run.py --check

scan: $(VENV)/ready packages ## OpenSCAP, Lynis and ssh-audit on a virtual machine; writes docs/scores.md
	$(BIN)/python tests/scan/run.py

bench: $(VENV)/ready packages ## a no-change apply with Mitogen and with the stock strategy
	pas-infra lab up --name bench rbx7 sysfab bastion
	$(BIN)/python tests/bench/no_change_apply.py --lab bench
	pas-infra lab down --name bench --erase

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pas-infra needs Python 3.11 or newer: make PYTHON=python3.13 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) packages
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	# On both processors, which pip would not; uncompiled, each start of Ansible takes twice as long.
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib
	touch $@

packages: ## the Debian packages that the lab needs
	@missing=$$(for name in $(DEBIAN); do \
	    dpkg-query --show --showformat='$${db:Status-Status}' $$name 2>/dev/null | grep -qx installed \
	      || echo $$name; done); \
	  if [ -n "$$missing" ]; then echo "installing: "$$missing; \
	    $(SUDO) apt-get update -qq && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes \
	      --no-install-recommends $$missing > /dev/null; fi

lock: ## pin every dependency again, with hashes and without an index's address
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe \
	  --extra dev --upgrade --output-file requirements.lock pyproject.toml
	rm -rf $(VENV)-lock

clean: ## stop the lab and drop what was built here
	-[ ! -x $(BIN)/pas-infra ] || pas-infra lab down --erase
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .ansible
