# Each target creates .venv and installs what it needs; `make demo` and `make test` are all a fresh machine needs.
# Another interpreter with everything installed can be given: make native PYTHON=/path/to/python

VENV     := .venv
PYTHON   ?= $(VENV)/bin/python
JOBS     ?= $(shell nproc)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONPATH := $(CURDIR)/sdk:$(CURDIR)/compat:$(CURDIR)/plugins

# With an interpreter of one's own, nothing is installed.
ifeq ($(PYTHON),$(VENV)/bin/python)
  venv = $(VENV)/.$(1)
else
  venv =
endif

.PHONY: native clean
.DELETE_ON_ERROR:

$(VENV)/bin/python:
	python3 -m venv $(VENV)

$(VENV)/.build: pyproject.toml | $(VENV)/bin/python
	$(PYTHON) -m pip install -q "cffi>=1.17" "cmake>=3.25" "ninja>=1.11"
	touch $@

native: $(call venv,build)
	PATH="$(abspath $(dir $(PYTHON))):$$PATH" cmake -S native -B build/native -G Ninja -DPython3_EXECUTABLE="$(abspath $(PYTHON))"
	PATH="$(abspath $(dir $(PYTHON))):$$PATH" cmake --build build/native -j $(JOBS)
	PATH="$(abspath $(dir $(PYTHON))):$$PATH" cmake --install build/native --prefix sdk

clean:
	rm -rf build dist .venv htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache docs/_build docs/_generated
	rm -f sdk/enginewright/_native/*.so sdk/enginewright/_native/_abi.py
