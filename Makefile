# make train: the first run. make test: the tests. make lint: style and types.
# make docs: the documentation, in build/docs. make wheel: what is published, in
# dist, tried where nothing else is installed. Each makes .venv if needed.
PYTHON ?= python3
BIN := .venv/bin
DONE := .venv/installed

.PHONY: train test lint docs wheel

train: $(DONE)
	$(BIN)/dmjax train --config digits:resnet8,cutmix,dm --workdir runs/digits

test: $(DONE)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

lint: $(DONE)
	$(BIN)/python -m pip install --quiet pyright==1.1.414
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(DONE)
	$(BIN)/python -m pip install --quiet -r docs/requirements.txt
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo open build/docs/index.html

wheel: $(DONE)
	$(BIN)/python -m pip install --quiet build
	rm -rf dist && $(BIN)/python -m build --quiet
	rm -rf build/wheel && $(PYTHON) -m venv build/wheel
	build/wheel/bin/pip install --quiet dist/*.whl
	cd build && wheel/bin/python -c 'import dmjax.losses; print(dmjax.__version__)'
	build/wheel/bin/pip install --quiet "$$(ls dist/*.whl)[train]"
	cd build && wheel/bin/dmjax --version && wheel/bin/dmjax recipes digits | head -3

$(DONE): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dmjax needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 " + "$(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(DONE)
