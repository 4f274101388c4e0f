# Everything a fresh machine needs is fetched into this folder: uv into .uv/, the packages into .venv/.

ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.uv/home
endif

# A uv on the path that does not answer (a version manager's shim without a version) is as good as none.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
RUN := $(UV) run --frozen --no-sync
# Idle OpenMP threads sleep instead of spinning: they starve whatever else runs.
export OMP_WAIT_POLICY ?= passive

DEMO_PROMPT := a red circle moves right on a gray background
DEMO_OUT := outputs/demo.mp4
BENCHMARKS := freed_memory load_memory preview text_to_video trainer_overhead transformer_vs_diffusers vae_vs_diffusers

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint format bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(UV) ## install everything, developer's tools included
	$(UV) sync --frozen

demo: $(UV) ## turn a sentence into a clip, on the CPU
	$(UV) sync --frozen --no-dev --inexact
	$(RUN) kinora t2v --prompt "$(DEMO_PROMPT)" --seed 7 --device cpu --out $(DEMO_OUT) --contact-sheet
	@echo "The clip is in $(DEMO_OUT), its frames side by side in $(DEMO_OUT:.mp4=-sheet.png)."

test: setup ## run the fast tests
	$(RUN) pytest -m "not slow"

test-slow: setup ## run the tests that take longer
	$(RUN) pytest -m slow

lint: setup ## check style and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) ty check

format: setup ## bring the code into the house's style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: setup ## measure time and memory, alone and against diffusers
	for name in $(BENCHMARKS); do $(RUN) python "benchmarks/$$name.py" || exit; done

uv: ;

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv
