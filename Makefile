# make train: the first run. make test: the tests. Both make .venv if needed.
PYTHON ?= python3
BIN := .venv/bin
DONE := .venv/installed

.PHONY: train test

train: $(DONE)
	$(BIN)/dmjax train --config digits:resnet8,cutmix,dm --workdir runs/digits

test: $(DONE)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

$(DONE): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dmjax needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12 " + "$(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(DONE)
