# Two commands do everything, set-up included: `make demo` and `make test`.

VENV := .venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON ?= python3
RUN := runs/demo
# XLA compiles once per machine and finds its programs again here.
export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/runs/.xla_cache
# Huge pages: XLA maps new memory for every step (docs/training_speed.md).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

.PHONY: help demo test test-slow gpu-report lint format clean

help:
	@echo "make demo       build a synthetic dataset, train, evaluate, reenact (about five minutes)"
	@echo "make test       the fast test suite"
	@echo "make test-slow  the long tests"
	@echo "make gpu-report what a GPU is measured by: rasterizer, training step, two short runs"
	@echo "make lint       ruff format --check and ruff check"
	@echo "make format     ruff format and ruff check --fix"
	@echo "make clean      remove runs/ and $(VENV)/"

# The environment is made again when the requirements change. The demo needs less than the tests.
$(VENV)/.base:
	$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version)'
	$(BASE_PYTHON) -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --upgrade pip
	touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.base
	$(PYTHON) -m pip install --quiet --editable ".[plots,video]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.base
	$(PYTHON) -m pip install --quiet --editable ".[dev,tracking]"
	touch $@

# Every step goes on where it was, so the demo can be stopped and run again.
demo: $(VENV)/.demo
	$(PYTHON) scripts/make_talking_heads.py $(RUN)/prepared
	$(PYTHON) scripts/pack.py $(RUN)/prepared --name talking_heads --data-dir $(RUN)/data
	$(PYTHON) -m reenact_jax.train --config configs/demo.py
	$(PYTHON) -m reenact_jax.evaluate --config configs/demo.py
	$(PYTHON) -m reenact_jax.reenact --run $(RUN) --compare --out $(RUN)/reenacted.mp4 \
	  --source $(RUN)/prepared/clips/person0096-00 --driving $(RUN)/prepared/clips/person0097-00
	@echo
	@echo "Look at"
	@echo "  $(RUN)/samples.png     unseen people: inputs, guidance, result, truth"
	@echo "  $(RUN)/reenacted.mp4   source, driver, result"
	@echo "  $(RUN)/metrics.json    the numbers, beside three baselines"
	@echo "  $(RUN)/loss.png        the training loss"

# Compiling takes most of the time, on one core each. A file stays in one process, so that its
# fixtures are made once. What the rasterizer must get exactly right is compiled as users have it;
# without LLVM's optimisation the programs of the other tests compile in half the time.
PYTEST := $(PYTHON) -m pytest -n 2 --dist loadfile
EXACT := $(patsubst %,tests/rasterizer/test_%.py,contract goldens predicates properties watertight)
test: $(VENV)/.dev
	$(PYTEST) $(EXACT)
	XLA_FLAGS=--xla_backend_optimization_level=0 $(PYTEST) $(addprefix --ignore=,$(EXACT))

test-slow: $(VENV)/.dev
	$(PYTHON) -m pytest -m slow

# In the environment of your own that has JAX for the GPU and, to compare with, PyTorch and
# nvdiffrast: make gpu-report GPU_PYTHON=python3. CLIPS is a packed folder of your own videos.
GPU_PYTHON ?= python3
GPU_RUN := runs/gpu_report
gpu-report:
	mkdir -p $(GPU_RUN)
	$(GPU_PYTHON) -m benchmarks.bm_rasterize_gpu --check | tee $(GPU_RUN)/check.md
	$(GPU_PYTHON) -m benchmarks.bm_rasterize_gpu | tee $(GPU_RUN)/rasterizer.md
	$(GPU_PYTHON) benchmarks/bm_training.py --gpu-report | tee $(GPU_RUN)/training.md
	JAX_PLATFORMS=cpu $(GPU_PYTHON) scripts/make_talking_heads.py runs/world_256/prepared --image-size 256 --workers 8
	JAX_PLATFORMS=cpu $(GPU_PYTHON) scripts/pack.py runs/world_256/prepared --name talking_heads --data-dir runs/world_256/data
	$(GPU_PYTHON) -m reenact_jax.train --config configs/paper_size.py:talking_heads
	$(GPU_PYTHON) -m reenact_jax.evaluate --config configs/paper_size.py:talking_heads
ifdef CLIPS
	$(GPU_PYTHON) -m reenact_jax.train --config configs/paper_size.py:clips --config.data.data_dir=$(CLIPS)
	$(GPU_PYTHON) -m reenact_jax.evaluate --config configs/paper_size.py:clips --config.data.data_dir=$(CLIPS)
endif

lint: $(VENV)/.dev
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

format: $(VENV)/.dev
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

clean:
	rm -rf runs $(VENV)
