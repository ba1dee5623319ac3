# Every target makes .venv when it is missing, and does nothing twice.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo lab check sync test test-all lint format bench clean

demo: $(READY)  ## train on ThingsOnStuff for a few minutes and draw what it attends to
	@if [ -e runs/demo/summary.json ]; then \
		echo "runs/demo is there already; look at runs/demo/attention.png, or: rm -r runs/demo"; \
	else \
		rm -rf runs/demo; $(BIN)/minidino demo --out runs/demo; \
	fi

lab: $(READY)  ## the notebooks, in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=. notebooks

check: $(READY)  ## how your exercises stand: make check NB=03
	$(BIN)/minidino check $(NB)

sync: $(READY)  ## notebooks/ from solutions/, exercises emptied
	$(BIN)/python tools/make_notebooks.py

test: $(READY)  ## the whole suite but what is slow or needs a GPU
	$(BIN)/python -m pytest

test-all: $(READY)  ## the slow tests too
	$(BIN)/python -m pytest -m "not gpu"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## images/s of ours and of the alternative, in one run
	$(BIN)/python benchmarks/throughput.py

# pip runs again only when the dependencies changed.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[course,test]"
	touch $@

clean:
	rm -rf .venv runs build *.egg-info
