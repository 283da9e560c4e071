# make sandbox   a shop on http://localhost:8000 with a CyberSource on this machine, until Ctrl-C
# make test      the whole test suite; make test ARGS="-k reply -x" for a part of it
# make quick     the protocol, the simulator and one test of each story
#
# make prove     the whole suite once more on the oldest, middle and newest versions, browser and packages included,
#                a thousand random histories of the ledger, and then deliberate faults in the money code
# make benchmark what it costs, against its budgets, with up to a million log rows; twenty minutes on a quiet machine
#
# make docs      the documentation as a site, in docs/_build/html
#
# All do their own set-up in .venv and .sandbox. They need Python 3.11 or newer, make and a package index.

VENV := .venv/bin/python
INSTALL = python="$$(sandbox/find-python)" && "$$python" sandbox/environment.py

.PHONY: sandbox test quick prove benchmark docs tables release-check lint mutants faults clean

sandbox:
	@$(INSTALL) sandbox && exec $(VENV) -m sandbox

# Chromium is found by its usual names, or named: make test CHROMIUM=/path/to/chrome
test:
	@$(INSTALL) test
	@chromium="$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| command -v google-chrome-stable)}"; \
	if [ -n "$$chromium" ]; then export CHROMIUM="$$chromium"; echo "Browser tests run in $$chromium."; \
	else echo "No Chromium was found, so the browser tests are SKIPPED. Install chromium, or set CHROMIUM."; fi; \
	exec $(VENV) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

quick:
	@$(INSTALL) test
	exec $(VENV) -m pytest -n auto --dist worksteal -m quick --reuse-db -q $(ARGS) \
		tests/protocol tests/simulator $$(grep -rl --include="test_*.py" pytest.mark.quick tests)

# Hours; needs Python 3.11, 3.12 and 3.13 and a Chromium. One pair: make prove PAIRS=oldest; a part: ARGS="tests/browser"
comma := ,
PAIRS ?= oldest,middle,newest$(if $(ARGS),,$(comma)histories)
prove:
	@$(INSTALL) test
	@[ -x .tox/tools/bin/tox ] || { $(VENV) -m venv .tox/tools && .tox/tools/bin/python -m pip install -q "tox>=4.20"; }
	@chromium="$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| command -v google-chrome-stable)}"; \
	REQUIRE_BROWSER=1 CHROMIUM="$$chromium" .tox/tools/bin/tox run --skip-missing-interpreters false \
		-e $(PAIRS) $(if $(ARGS),-- $(ARGS))
	@$(if $(ARGS),,$(VENV) -m tests.deliberate_faults --anew)

# A part of it: make benchmark ARGS="-k review"
benchmark:
	@$(INSTALL) benchmark
	exec $(VENV) -m pytest benchmarks --ds=benchmarks.settings --benchmark-enable --benchmark-warmup=off \
		--benchmark-columns=min,median,rounds --benchmark-sort=name -q -p no:warnings -p no:cacheprovider $(ARGS)

# The documentation as a site in docs/_build/html; warnings are errors, and nothing is asked of the network.
docs:
	@$(INSTALL) docs
	$(VENV) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Its tables that are made from the code, after a check or a reason was added.
tables:
	@$(INSTALL) test
	WRITE_TABLES=1 $(VENV) -m pytest -q tests/package/test_reference.py -k made_from_the_code

# What only the owner can fill in, the version, the changelog's day.
release-check:
	@.ci/release-check

lint:
	@$(INSTALL) lint
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy

# Would a test notice? Hours for all of it; a module: make mutants ARGS="cybersource.protocol.reply*". docs/contributing/mutants.rst
mutants:
	@$(INSTALL) mutation
	CI=1 .venv/bin/mutmut run $(ARGS)

# Would a test notice a fault in the money code? Hours; a part: make faults ARGS="--room payments --sample 40". docs/contributing/mutants.rst
faults:
	@$(INSTALL) test
	$(VENV) -m tests.deliberate_faults $(ARGS)

# The database is in .sandbox too; where PostgreSQL's user may not enter, a link says where it is instead.
clean:
	rm -rf $$(readlink .sandbox/postgres/elsewhere .sandbox/test-postgres/elsewhere \
		.sandbox/benchmark-postgres/elsewhere)
	rm -rf .venv .sandbox mutants build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage
