# Every target sets up what it needs by itself (tools/setup) and is quick when all is there.
#
#   make test                       with the first Python of 3.11 or later that is found
#   make test PYTHON=python3.13     with this one, in a venv of its own below build/
#   make test ARGS="-k broker -x"   further arguments for what runs
#   make test WORKERS=              one test after the other, as a debugger wants it
#
# make turns every failure into its own status 2. Where the exact status matters (the demo: 0 all
# cases ran as expected, 3 some could not run here), call the script: tools/demo.

export PYTHON
ARGS =
# Three at a time for two cores, since the lab's tests wait a good deal; a file's tests stay together
# (its lab is built once), and files in their order (the longest are in the middle, not at the end).
WORKERS = -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo test check lab bench bench-condor soak fuzz setup clean

test:   ## the whole test suite
	@tools/run python -m pytest $(WORKERS) $(ARGS)

demo:   ## the main job, in a small internet of network namespaces
	@tools/demo $(ARGS)

check:  ## format, lint, types
	@tools/run --no-tools ruff format --check
	@tools/run --no-tools ruff check
	@tools/run --no-tools mypy $(ARGS)

lab:    ## a lab to look around in
	@tools/run python -m glasnost.testing.lab $(ARGS)

bench:  ## the measurements (ARGS="port relay": only these)
	@tools/run --servers python -m benchmarks $(ARGS)

bench-condor: ## those that are about HTCondor
	@tools/run python -m benchmarks condor $(ARGS)

soak:   ## ten minutes of transfers among 20 lab hosts while daemons and cables fail
	@tools/run python -m glasnost.testing.soak $(ARGS)

fuzz:   ## every parser of outside bytes against FUZZ_EXAMPLES examples (100000), counts at the end
	@tools/run python -m tests.fuzz $(ARGS)

setup:  ## only prepare
	@tools/setup

clean:
	rm -rf build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
