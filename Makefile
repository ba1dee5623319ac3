# Every target makes .venv when it is missing, and does nothing twice.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo lab check sync site test test-all lint format bench race race-gpu clean

demo: $(READY)  ## train on ThingsOnStuff for a few minutes and draw what it attends to
	@if [ -e runs/demo/summary.json ]; then \
		echo "runs/demo is there already; look at runs/demo/attention.png, or: rm -r runs/demo"; \
	else \
		rm -rf runs/demo; $(BIN)/minidino demo --out runs/demo; \
	fi

lab: $(READY)  ## the notebooks, in JupyterLab
	$(BIN)/jupyter lab --preferred-dir=notebooks

check: $(READY)  ## how your exercises stand: make check NB=03
	$(BIN)/minidino check $(NB)

sync: $(READY)  ## notebooks/ from solutions/, exercises emptied
	$(BIN)/python tools/make_notebooks.py

# Sphinx has an environment of its own: the site is built without PyTorch.
site: .venv-site/.ready  ## the notebooks, documents and public names as a site: build/site/html
	PYTHONPATH=. .venv-site/bin/python tools/make_site.py

.venv-site/.ready: pyproject.toml
	test -x .venv-site/bin/python || $(PYTHON) -m venv .venv-site
	.venv-site/bin/python -m pip install --quiet --upgrade "pip>=25.1"  # the first that knows --group
	.venv-site/bin/python -m pip install --quiet --group site
	touch $@

# Tests run side by side, each with one thread, and then by themselves those that measure.
SIDE_BY_SIDE = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
JOBS ?= 2
ALONE = $(BIN)/python -m pytest $$(grep -l mark.alone tests/test_*.py)  # the rest need not be read

test: $(READY)  ## the whole suite but what is slow or needs a GPU
	$(SIDE_BY_SIDE) -m "not alone and not slow and not gpu"
	$(ALONE) -m "alone and not slow and not gpu"

test-all: $(READY)  ## the slow tests too
	$(SIDE_BY_SIDE) -m "not alone and not gpu"
	$(ALONE) -m "alone and not gpu"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## images/s of ours and of the alternative, in one run
	$(BIN)/python benchmarks/throughput.py

race: $(READY)  ## seconds to k-NN 95% on things, two cores, three seeds; the rules: docs/race.md
	$(BIN)/python benchmarks/race.py things

race-gpu: $(READY)  ## seconds to k-NN 80, 84 and 87.3% on Imagenette, one GPU; the same again goes on
	$(BIN)/python benchmarks/race.py photos

# pip runs again only when the dependencies changed.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[course,test]"
	touch $@

clean:  ## all but what was trained: runs/ is yours
	rm -rf .venv .venv-site build *.egg-info
