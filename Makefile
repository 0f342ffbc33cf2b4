# `make demo`, `make test` and `make check` do their own set-up. PYTHON names the interpreter (3.11 to 3.13).

PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
INSTALLED := .venv/installed

# With it every Dagster process compiles all of its imports again, which costs seconds each time.
unexport PYTHONDONTWRITEBYTECODE

# Dagster syncs its SQLite files a thousand times a run, which costs nothing in memory. Not where
# that is small, as in Docker by default, or where no program may be run from.
MEMORY := $(shell awk '$$2 == "/dev/shm" && $$4 !~ /noexec/' /proc/mounts 2>/dev/null | grep -q . && \
	df -Pk /dev/shm | awk 'NR == 2 && $$4 > 8000000 { print "TMPDIR=/dev/shm" }')

.PHONY: demo test check ui live lint lock clean setup servers

demo: $(INSTALLED)
	$(BIN)/pinterest demo

test: lint servers
	$(MEMORY) $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

# Without the tests that start processes of their own (pinterest_platform_tests/conftest.py).
check: lint
	$(MEMORY) $(BIN)/pytest -q -n 2 --dist worksteal -m "not server"

ui: $(INSTALLED)
	@exec $(BIN)/pinterest ui --port $(PORT) $(if $(SHARED_SAIL),--shared-sail)

live: $(INSTALLED)
	@exec $(BIN)/pinterest live --port $(PORT)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# `make lock UPGRADE=--upgrade` takes the newest versions.
lock: $(INSTALLED)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -q $(UPGRADE) -o requirements.lock

setup: $(INSTALLED)

# What the tests of Apache Spark, Kafka, MySQL and Postgres start; without it they are skipped.
servers:
	@missing=; \
	command -v java >/dev/null || [ -x "$$JAVA_HOME/bin/java" ] || missing="$$missing openjdk-17-jre-headless"; \
	PATH="$$PATH:/usr/sbin" command -v mariadbd >/dev/null && command -v my_print_defaults >/dev/null || \
		missing="$$missing mariadb-server-core mariadb-client-core"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -z "$$missing" ] || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	} || echo "Not installed:$$missing; the tests that need them are skipped." >&2

# uv installs what pip would, in a fraction of the time; pip's own settings (index, certificates)
# are handed over.
$(INSTALLED): requirements.lock pyproject.toml
	@case "$$(pwd)" in *[%:]*) \
		echo "The path of the checkout must not have a % or a colon: Dagster and venv cannot" \
			"work there. Clone it into another folder." >&2; exit 1;; esac
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.x" >&2; exit 1; }
	@echo "Setting up .venv from requirements.lock ..."
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv && \
		$(PYTHON) -m venv .venv; }
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements.lock \
		> .venv/uv.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@index="$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}"; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	export UV_SYSTEM_CERTS=1; \
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock && \
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

clean:
	rm -rf .venv .pinterest .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
