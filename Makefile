# Commands of bitledger. Outside the container everything runs from .venv, which is made when needed.
.DEFAULT_GOAL := help
.PHONY: help setup bundle bench bench-in-container paper paper-compat profile test test-slurm test-gpu lint format report doctor gpu-study \
  image image-check readme-check shell smoke-model faults fuzz fidelity intervals verdicts energy-verdicts sweep-simulation models benchmarks clean

PRESET ?= auto
PYTHON ?= python3
# The container image sets BITLEDGER_CONTAINER and has everything installed.
ifdef BITLEDGER_CONTAINER
  VENV_READY :=
  PY := $(PYTHON)
else
  VENV_READY := .venv/.ready
  PY := .venv/bin/python
endif
# A bundle (folder or archive of 'make bundle') to install from where there is no internet; an unpacked one is its own.
OFFLINE ?= $(if $(wildcard bundle/manifest.json),.)
ifneq ($(OFFLINE),)
  export HF_HUB_OFFLINE := 1
endif
BENCH_OPTIONS := --preset $(PRESET) $(if $(MODEL),--model $(MODEL)) $(if $(OUT),--out $(OUT)) $(ARGS)

# A preset that is not there is told before anything is installed; a test holds the list to bench/presets.
PRESETS := smoke quick paper paper-compat peers study study-repeats study-repeats-more study-repeats-rest study-batches \
  study-batches-more study-batches-rest study-lengths study-lengths-more study-alternatives study-costs
ifeq ($(filter auto $(PRESETS),$(PRESET)),)
  $(error unknown preset '$(PRESET)': choose from $(PRESETS))
endif

# "## " describes a target of who measures, "### " one of who develops.
LIST = grep -hE '^[a-z-]+:.*[^\#]$(1) ' $(MAKEFILE_LIST) | sed -E 's/:.*$(1) /\t/' | expand -t 20
help: ## list the targets
	@$(call LIST,\#\#)
	@echo
	@echo "to develop:"
	@$(call LIST,\#\#\#)
	@echo
	@echo "options:  make bench PRESET=smoke|quick|paper|paper-compat MODEL=... OUT=FOLDER ARGS='--schemes fp16,nf4'"

bench: $(VENV_READY) ## measure and report: quick on a GPU, smoke elsewhere
	$(PY) -m bench run $(BENCH_OPTIONS)

doctor: $(VENV_READY) ## what can this machine measure?
	$(PY) -m bench doctor

report: $(VENV_READY) ## write the report of a run again: make report RUN=reports/runs/...
	$(PY) -m bench report $(RUN)

setup: $(VENV_READY) ## make .venv with the pinned dependencies (nothing to do inside the container)

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' \
	  || { echo "bitledger needs Python 3.11 to 3.14: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
ifneq ($(OFFLINE),)
	@$(PYTHON) -m bundling.install $(OFFLINE)
else
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[measure,energy,cluster,ncu,dev]'
endif
	@# What is imported is compiled now: where its user may not write here, every first import would compile it again.
	@.venv/bin/python scripts/compile_imports.py >/dev/null 2>&1 || true
	@touch $@

# BUNDLE_PYTHON=3.12 BUNDLE_CUDA=130 BUNDLE_PLATFORM=x86_64|aarch64 BUNDLE_WITH=torch,transformers,codecarbon,ncu
# BUNDLE_DEV=yes (for 'make test' there) BUNDLE_OUT=dist
bundle: $(VENV_READY) ## one archive for a host without internet: docs/hosts.md
	$(PY) -m bundling $(if $(BUNDLE_PYTHON),--python $(BUNDLE_PYTHON)) $(if $(BUNDLE_CUDA),--cuda $(BUNDLE_CUDA)) \
	  $(if $(BUNDLE_PLATFORM),--platform $(BUNDLE_PLATFORM)) $(if $(BUNDLE_WITH),--with $(BUNDLE_WITH)) \
	  $(if $(BUNDLE_DEV),--dev) $(if $(BUNDLE_OUT),--out $(BUNDLE_OUT))

# The container: 'make image' once, then these. CAPABILITIES: SYS_ADMIN for counters and pass@1, SYS_PTRACE for py-spy.
# DOCKER_OPTIONS: more of docker's, such as "--gpus device=1"; without a GPU the container measures the CPU.
ENGINE ?= $(firstword $(notdir $(shell command -v docker podman 2>/dev/null)) docker)
IMAGE ?= bitledger
CAPABILITIES ?= SYS_ADMIN SYS_PTRACE
GIT_COMMIT := $(shell git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)
GPUS := $(if $(shell command -v nvidia-smi 2>/dev/null),--gpus all)
# A model's folder is seen in there under its own name.
FOLDER := $(if $(wildcard $(MODEL)/config.json),$(abspath $(MODEL)))
IN_CONTAINER = $(ENGINE) run --rm $(GPUS) $(if $(filter podman,$(ENGINE)),--userns keep-id) $(addprefix --cap-add ,$(CAPABILITIES)) --shm-size 1g \
  --user "$$(id -u):$$(id -g)" --volume "$(CURDIR)/reports/runs:/opt/bitledger/reports/runs" \
  --volume "$${HF_HOME:-$(HOME)/.cache/huggingface}:/models" --env HF_TOKEN --env HF_HUB_OFFLINE \
  $(if $(FOLDER),--volume "$(FOLDER):$(FOLDER):ro") \
  --env BITLEDGER_IMAGE_DIGEST="$$($(ENGINE) image inspect --format '{{.Id}}' $(IMAGE))" $(DOCKER_OPTIONS)
ENGINE_READY = @command -v $(ENGINE) >/dev/null || { echo "no Docker and no Podman here: 'make $(1)' runs without"; exit 2; }

image: ## build the container image (BASE_IMAGE=... for another base)
	$(call ENGINE_READY,bench)
	$(ENGINE) build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --build-arg GIT_COMMIT=$(GIT_COMMIT) \
	  --tag $(IMAGE) .

bench-in-container: ## make bench in the container, reports and models shared with this folder and the user's cache
	$(call ENGINE_READY,bench)
	@mkdir -p reports/runs "$${HF_HOME:-$(HOME)/.cache/huggingface}"
	$(IN_CONTAINER) $(IMAGE) make bench PRESET=$(PRESET) $(if $(MODEL),MODEL="$(or $(FOLDER),$(MODEL))") \
	  $(if $(OUT),OUT="$(OUT)") $(if $(ARGS),ARGS="$(ARGS)")

shell: ## a shell in the container
	$(call ENGINE_READY,help)
	@mkdir -p reports/runs "$${HF_HOME:-$(HOME)/.cache/huggingface}"
	$(IN_CONTAINER) -it $(IMAGE) bash

readme-check: ### paste README's lines on an empty Debian (root on Debian: buildah, mmdebstrap)
	scripts/check-readme.sh

image-check: ### build the image without Docker (root on Debian: buildah, mmdebstrap), then bench and test in it
	scripts/check-image.sh 'make test SLOW=yes' "make bench PRESET=smoke ARGS='--tasks 4 --repeats 2'"

# The study again, then its report. TASKS: HumanEval+ tasks for pass@1; RUNS: fresh processes per Case.
# The tiny checkpoint is for trying the pipeline: shorter, so that it ends within minutes on two cores.
STUDY_SMOKE := --threads 1 --calls 2 --new-tokens 32 --energy-seconds 1
STUDY_SMOKE_paper := --schemes fp16,int8,nf4 --matmul-m 1
define study
  set -e; out="$${OUT:-reports/runs/$(1)-$$(date -u +%Y%m%dT%H%M%S)}"; code=0; \
  $(PY) -m bench run --preset $(1) --out "$$out" $(if $(MODEL),--model $(MODEL)) $(if $(RUNS),--repeats $(RUNS)) \
    $(if $(TASKS),--tasks $(TASKS)) $(if $(filter smoke,$(MODEL)),$(STUDY_SMOKE) $(STUDY_SMOKE_$(1))) $(ARGS) || code=$$?; \
  if [ $$code -gt 1 ]; then exit $$code; fi; \
  $(PY) -m bench report --study "$$out"; exit $$code
endef

paper: $(VENV_READY) ## the StarCoder2 study, corrected, beside the published numbers: MODEL=... TASKS=20 RUNS=2
	@$(call study,paper)

paper-compat: $(VENV_READY) ## the same as the study ran it: fp32 original, library defaults, early stop
	@$(call study,paper-compat)

# OUT=reports/runs/gpu-study PARTS="steady repeats" MODEL=shape:… OTHERS="shape:… shape:…" LIMIT=460 BUDGET=540 DRY=1
gpu-study: $(VENV_READY) ## the whole GPU study, part by part, each under 8 minutes: docs/gpu-study.md
	@PYTHON="$(PY)" scripts/gpu-study.sh "$(or $(OUT),reports/runs/gpu-study)" $(PARTS)

profile: $(VENV_READY) ## timelines, counters and host stacks: all that this machine allows
	$(PY) -m profiling all $(if $(filter-out auto,$(PRESET)),--preset $(PRESET)) \
	  $(if $(MODEL),--model $(MODEL)) $(if $(OUT),--out $(OUT)) $(ARGS)

# Each worker takes half of the tests in their order, and from the other's end when its own are done: tests of one module
# stay together, so that their shared fixtures are made once, and no worker waits. More workers than two cores,
# because some tests wait. WORKERS=0 runs them in one process.
WORKERS ?= 3
test: $(VENV_READY) ### run the tests that need no GPU (SLOW=yes: the long real runs too)
	@$(PY) -c 'import pytest, xdist' 2>/dev/null \
	  || { echo "pytest is not in this environment: make the bundle with BUNDLE_DEV=yes"; exit 2; }
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(if $(SLOW),-m "not gpu and not slurm")

test-slurm: $(VENV_READY) ### run the tests that start a real Slurm on this host (root; Debian's slurm-wlm and munge)
	$(PY) -m pytest -rs -m slurm

test-gpu: $(VENV_READY) ### run the tests that need a GPU
	$(PY) -m pytest -m gpu

lint: $(VENV_READY) ### ruff, mypy, and the installed packages against the lock
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) scripts/audit.py

format: $(VENV_READY) ### let ruff format the code
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

smoke-model: $(VENV_READY) ### train the committed tiny checkpoint again (about 2 minutes on 2 cores)
	$(PY) -m tools.smoke_model --out bench/data/smoke-model

fuzz: $(VENV_READY) ### inputs made to break the readers of files: INPUTS=10000 for each; docs/fuzzing.md
	$(PY) -m fuzz --reader all --inputs $(or $(INPUTS),10000)

faults: $(VENV_READY) ### provoke every fault again and compare with docs/faults.md
	$(PY) -m tests.faults

fidelity: $(VENV_READY) ### plant causes of known size and judge the diagnosis (10 minutes; writes docs/fidelity.md)
	$(PY) -m benchmarks.fidelity

intervals: $(VENV_READY) ### simulated traces and runs: do the printed intervals hold the truth? (about 10 minutes)
	$(PY) -m benchmarks.intervals --out benchmarks/results/intervals.json --page docs/intervals.md

verdicts: $(VENV_READY) ### simulated arms: are verdicts right, do intervals hold? (about 15 minutes)
	$(PY) -m benchmarks.verdicts --out benchmarks/results/verdicts.json --page docs/verdicts.md

energy-verdicts: $(VENV_READY) ### simulated boards: are verdicts on joules right, does what is net hold? (about 10 minutes)
	$(PY) -m benchmarks.energy_verdicts --out benchmarks/results/energy_verdicts.json --page docs/verdicts.md

sweep-simulation: $(VENV_READY) ### simulated sweeps over 500 nodes: do their intervals hold? (about 15 minutes)
	$(PY) -m benchmarks.sweep_simulation --out benchmarks/results/sweep_simulation.json --page docs/sweep-simulation.md

models: $(VENV_READY) ### architectures × schemes on tiny models: measured as called, or refused with a line? (about 5 minutes)
	$(PY) -m benchmarks.model_matrix --out benchmarks/results/models.json --page docs/models.md

benchmarks: $(VENV_READY) ### the tool's own costs: harness overhead, agreement with torch's timer, reader speed
	$(PY) -m benchmarks.timer_agreement --out benchmarks/results/timer_agreement.json
	benchmarks/install_peers.sh build/peers || true
	$(PY) -m benchmarks.performance --peers build/peers
	$(PY) -m benchmarks.first_report
	benchmarks/install_evalplus.sh build/evalplus
	$(PY) -m benchmarks.evaluation --evalplus build/evalplus

clean: ## remove .venv and caches; runs are kept
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
