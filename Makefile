# Each target creates .venv and installs what it needs: on a fresh machine, begin with `make demo` or `make test`.
# Another interpreter, with everything installed already, can be given: make native PYTHON=/path/to/python

VENV   := .venv
PYTHON ?= $(VENV)/bin/python
PY     := $(if $(findstring /,$(PYTHON)),$(abspath $(PYTHON)),$(shell command -v $(PYTHON)))
JOBS   ?= $(shell nproc)
SECONDS ?= 60
N      ?= 10000
RUNS   ?= 3
MODELS ?=
RUN    := PATH="$(dir $(PY)):$$PATH" PYTHONPATH="$(CURDIR)/sdk:$(CURDIR)/compat:$(CURDIR)/plugins"
PIP    := $(PY) -m pip install -q --disable-pip-version-check
COVER  := --cov --cov-report=term --cov-report=html --cov-fail-under=90

# New files that are not added yet are sources, too.
NATIVE_SOURCES := git ls-files -z --cached --others --exclude-standard -- \
  'native/*.cpp' 'native/*.h' 'native/*.cu' 'plugins/*.cpp' 'plugins/*.h' 'plugins/*.cu'

# A stamp for each set of dependencies; an interpreter of one's own has them, so then there is none.
needs = $(if $(filter $(VENV)/bin/python,$(PYTHON)),$(foreach extra,$(1),$(VENV)/.$(extra)))

.PHONY: demo test test-long test-guarded test-sanitized fuzz fuzz-models lint format bench bench-promises bench-models bench-gemm bench-cuda verify-models docs wheel native methods release c-deprecations models clean
.DELETE_ON_ERROR:

# ---- what a user runs -------------------------------------------------------------------------------------------------

demo: $(call needs,demo) native           ## build engines from a real trained model, run them, compare with ONNX Runtime
	$(RUN) $(PY) docs/examples/demo.py

bench: bench-models bench-gemm bench-promises  ## all figures of the CPU, on a quiet machine: an hour; tables in build/bench

bench-promises: $(call needs,peers test) native  ## what this project promises: one call, loading, starting
	$(RUN) $(PY) -m tests.bench

# One run of each model: make bench-models RUNS=1; some of them: make bench-models MODELS="resnet50 silero_vad"
bench-models: $(call needs,peers models test) native  ## all models beside ONNX Runtime and OpenVINO, and what building and loading cost
	$(RUN) $(PY) -m tests.bench suite $(MODELS) --runs $(RUNS) --folder build/bench

bench-gemm: $(call needs,peers test) native  ## matrix products beside oneDNN
	mkdir -p build/bench
	$(RUN) $(PY) -m tests.bench.gemm --type f32 --type bf16 --type int8 --markdown build/bench/gemm.md --json build/bench/gemm.json

bench-cuda: $(call needs,models test) native  ## speed on a GPU, beside torch
	$(RUN) $(PY) -m tests.bench.cuda --peers

verify-models: $(call needs,peers models test) native  ## compare all models with ONNX Runtime, write docs/models.md
	$(RUN) $(PY) -m tests.verify_models --write

# ---- what a developer runs --------------------------------------------------------------------------------------------

test: $(call needs,test) native           ## the tests, with branch coverage of sdk and compat
	$(RUN) $(PY) -m pytest -m "not long" $(COVER)

test-long: $(call needs,test peers models cross) native    ## all tests, with downloaded and generated models
	$(RUN) $(PY) -m pytest

test-guarded: $(call needs,test) native   ## all examples of CPU kernels, with inaccessible pages around their arrays
	$(RUN) $(PY) -m tests.sdk.tactics.guarded --all

SANITIZE := -O1 -g1 -fsanitize=address,undefined -fno-omit-frame-pointer
SANITIZERS = $(shell c++ -print-file-name=libasan.so) $(shell c++ -print-file-name=libubsan.so)

# A tree of its own, so that nothing else runs on such a library. Python's own allocations are never all freed at the end, and
# frames for use after return are not aligned as vectors must be (GCC before 14).
test-sanitized: $(call needs,test) native ## the same under AddressSanitizer and UBSan; compiling takes half an hour
	$(RUN) cmake -S native -B build/sanitized -G Ninja -DPython3_EXECUTABLE="$(PY)" --log-level=WARNING \
	  -DCMAKE_BUILD_TYPE=Sanitized -DCMAKE_CXX_FLAGS_SANITIZED="$(SANITIZE)" -DEW_CUDA=OFF
	$(RUN) cmake --build build/sanitized --target enginewright -j $(JOBS)
	rm -rf build/sanitized/sdk && cp -r sdk build/sanitized/sdk
	cp build/sanitized/libenginewright.so build/sanitized/sdk/enginewright/_native/
	PYTHONPATH="build/sanitized/sdk:compat:plugins:." LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
	  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(PY) -m tests.sdk.tactics.guarded --all

fuzz: $(call needs,fuzz test) native      ## look for bytes that break the loader: make fuzz SECONDS=60 (for each target)
	$(RUN) $(PY) -m tests.fuzz $(SECONDS)

fuzz-models: $(call needs,test) native    ## compare random models with ONNX Runtime and onnx's reference: make fuzz-models N=10000
	$(RUN) $(PY) -m tests.conformance.random_models $(N)

lint: $(call needs,dev test) native       ## style, types, layers, and the rules of the repository
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(NATIVE_SOURCES) | $(RUN) xargs -0 -r clang-format --dry-run -Werror
	$(RUN) $(PY) -m pytest -q -m "not long" tests/repo

format: $(call needs,dev)                 ## what lint can mend itself
	$(RUN) ruff check -q --fix-only .
	$(RUN) ruff format .
	$(NATIVE_SOURCES) | $(RUN) xargs -0 -r clang-format -i

docs: $(call needs,docs) native           ## the site, in docs/_build/html
	$(RUN) $(PY) -m sphinx -q -W -n --keep-going -b dirhtml docs docs/_build/html
	@echo "docs/_build/html/index.html"

methods: $(call needs,dev) native         ## write Network's operator methods from the operators
	$(RUN) $(PY) -m enginewright.graph.write_methods

release: $(call needs,dev test docs) native  ## make a release: make release VERSION=X.Y.Z [DATE=YYYY-MM-DD]
	$(RUN) $(PY) -m enginewright_release $(VERSION) $(if $(DATE),--date $(DATE))

c-deprecations: $(call needs,native)      ## write the C header of deprecations from the registry
	$(RUN) $(PY) -m enginewright_compat.deprecation.c_header native/include/enginewright_deprecated.h

models: $(call needs,test models) native  ## fetch and generate the models of the long tests, outside the tree
	$(RUN) $(PY) -m tests.models

wheel: $(call needs,dev)                  ## one py3-none wheel, in dist
	$(RUN) $(PY) -m pip wheel -q --disable-pip-version-check --no-deps -w dist .

native: $(call needs,native)              ## the native library, straight into the tree
	$(RUN) cmake -S native -B build/native -G Ninja -DPython3_EXECUTABLE="$(PY)" --log-level=WARNING
	$(RUN) cmake --build build/native -j $(JOBS)
	$(RUN) cmake --install build/native --prefix sdk --component Unspecified > build/native/installed.log
	$(RUN) cmake --install build/native --prefix plugins --component plugins >> build/native/installed.log

clean:                                    ## everything that git does not keep
	rm -rf build dist .venv htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf docs/_build docs/errors docs/api.md docs/commands.md docs/operators.md docs/deprecations.md docs/migrate
	rm -rf plugins/enginewright_plugins/*.so sdk/enginewright/_native/*.so sdk/enginewright/_native/_abi.py sdk/enginewright/_native/include

# ---- environments -----------------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	python3 -m venv $(VENV)

# The package itself, in place: sources of the tree, entry points and command as installed.
$(VENV)/.native: pyproject.toml | $(VENV)/bin/python
	$(PIP) "cffi>=1.17" "cmake>=3.25" "ninja>=1.11" "scikit-build-core>=0.11"
	$(PIP) --no-build-isolation -e .
	touch $@

$(VENV)/.demo $(VENV)/.peers $(VENV)/.models $(VENV)/.cross $(VENV)/.test $(VENV)/.docs $(VENV)/.dev $(VENV)/.fuzz: $(VENV)/.%: $(VENV)/.native
	$(PIP) --no-build-isolation -e ".[$*]"
	touch $@
