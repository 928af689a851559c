# Every job of this repository. `make demo` and `make test` do their own set-up.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin
# Model files for machines without internet; a folder like this one may lie beside the checkout.
MIRROR := $(wildcard ../shared/models)
export MENSHEN_MODELS_MIRROR ?= $(MIRROR)
# Trust what the machine trusts: behind a company's proxy, uv's own list is not enough.
export UV_SYSTEM_CERTS ?= true
APT_PACKAGES := mosquitto postgresql chromium ffmpeg fonts-noto-cjk python3-gi \
  gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav

.PHONY: help setup test-setup demo check format test walk bench docs clean

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.ready: pyproject.toml uv.lock
	@command -v $(PYTHON) >/dev/null || { \
	  echo "menshen: needs Python 3.11 as $(PYTHON) → install it, or run: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) …"
	@$(RUN)/python -m pip --version >/dev/null 2>&1 || $(RUN)/python -m ensurepip >/dev/null
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.7'
	@$(RUN)/python -m uv sync --quiet --frozen --inexact --extra all
	@touch $@

setup: $(VENV)/.ready  ## Make the Python environment from the lock file.

test-setup: setup  ## Install the servers and the browser that tests need (as root), or say which.
	@missing=(); for name in $(APT_PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || missing+=($$name); done; \
	if [ $${#missing[@]} -gt 0 ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing $${missing[*]} …"; \
	    apt-get -qq -o DPkg::Lock::Timeout=300 update && DEBIAN_FRONTEND=noninteractive \
	      apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $${missing[*]} >/dev/null; \
	  else \
	    echo "menshen: tests need packages that are not installed → run as root: apt-get install $${missing[*]}"; exit 2; \
	  fi; fi

demo: setup  ## Run a small county on this machine: cameras, edge, broker, centre, pages.
	@$(RUN)/menshen demo

check: setup  ## Static checks: ruff, mypy strict, import contracts.
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: setup  ## Format the code and mend what ruff can mend.
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

test: test-setup  ## All tests, with real servers and a real browser.
	$(RUN)/pytest

WALK_STEPS ?= 100000
walk: test-setup  ## The random walks over alerts at full length: WALK_STEPS steps on each database.
	MENSHEN_WALK_STEPS=$(WALK_STEPS) $(RUN)/pytest -s tests/alerts/life/test_machine.py tests/alerts/walk

bench: setup  ## Inference speed, and accuracy where labelled data lies beside the checkout.
	$(RUN)/menshen bench inference
	@if [ -d ../shared/eval ]; then set -ex; \
	  $(RUN)/menshen bench plates --crops ../shared/eval/plate_crops; \
	  $(RUN)/menshen bench plates --scenes ../shared/eval/plate_scenes; \
	  $(RUN)/menshen bench plates --scenes ../shared/eval/plate_street; \
	  $(RUN)/menshen bench faces --data ../shared/eval/faces; \
	else echo "No labelled data in ../shared/eval: accuracy is not measured."; fi
	@echo "More: menshen bench --help (delivery, chaos, alerts, edge, fuzz …)"

docs: setup  ## Write the generated reference pages and check every link.
	$(RUN)/python docs/build.py

clean:  ## Remove the environment and every cache.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
