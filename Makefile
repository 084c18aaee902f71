# make demo   set up, then speak resources/filelists/synthesis.txt
# make test   set up, then the whole test suite
# make studio set up, then a page on this machine to hear and shape styles in
# make docs   set up, then the documentation as a site in out/docs
SHELL := /bin/bash
PYTHON ?= python3
CHECKPOINT ?= checkpts/default.pt
VENV := .venv
RUN := $(VENV)/bin/python
# One thread for each of the processes that share the tests.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 4
# By themselves: once OpenVINO is loaded, a signal that Python handles is a segmentation fault.
BACKENDS := OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 tests/test_backends.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-long studio docs lint setup mutation corpus train evaluate-default evaluate-interpolation tensorboard clean

demo: setup
	$(RUN) inference.py -f resources/filelists/synthesis.txt -c checkpts/default.pt -o out/demo
	@echo "The audio is in out/demo: $$(ls out/demo/*.wav | wc -l) files, 0000.wav first."

test: setup $(VENV)/peer $(VENV)/eval $(VENV)/backends $(VENV)/studio $(VENV)/browser
	$(PYTEST) -m "not slow" --ignore tests/test_backends.py
	$(BACKENDS)

# Everything that takes minutes besides.
test-long: setup $(VENV)/peer $(VENV)/eval $(VENV)/backends $(VENV)/studio $(VENV)/browser $(VENV)/docs
	$(PYTEST) --ignore tests/test_backends.py
	$(BACKENDS)

PORT ?= 7860
studio: setup $(VENV)/studio
	$(RUN) studio.py --checkpoint $(CHECKPOINT) --port $(PORT)

# Warnings are errors. Nothing is asked of a network.
docs: setup $(VENV)/docs
	$(RUN) -m sphinx -b html -W --keep-going -q docs out/docs
	@echo "The documentation is in out/docs/index.html."

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# Breaks the exact parts in one place at a time and runs their tests (pyproject.toml: tool.mutmut); lists what no test
# noticed. `make mutation ONLY='model.schedule*'` for a part.
ONLY ?=
mutation: setup $(VENV)/peer
	$(RUN) -m pip install -q -e '.[mutation]' --no-build-isolation
	OMP_NUM_THREADS=1 $(RUN) -m mutmut run $(ONLY)
	$(RUN) -m mutmut results

setup: $(VENV)/installed

# The pinned requirements, then the package itself with its compiled parts; done again when either changes.
$(VENV)/installed: requirements.txt setup.py pyproject.toml $(wildcard monotonic_align/*.pyx monotonic_align/*.h hifi-gan/*.pyx hifi-gan/*.h)
	@test -x $(RUN) || $(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed; name one, such as: make demo PYTHON=python3.12")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	$(RUN) -m pip install -q -r requirements.txt
	$(RUN) -m pip install -q --no-build-isolation --no-deps -e .
	touch $@

# The official code, which the equality tests compare with.
$(VENV)/peer: $(VENV)/installed tests/peer/install.sh
	PYTHON=$(CURDIR)/$(RUN) tests/peer/install.sh
	touch $@

# The models that evaluate.py measures with.
$(VENV)/eval: $(VENV)/installed requirements-eval.txt
	$(RUN) -m pip install -q --no-deps -r requirements-eval.txt
	touch $@

# Other runtimes of the networks.
$(VENV)/backends: $(VENV)/installed requirements-backends.txt
	$(RUN) -m pip install -q --no-deps -r requirements-backends.txt
	touch $@

$(VENV)/studio $(VENV)/docs $(VENV)/browser: $(VENV)/%: $(VENV)/installed requirements-%.txt
	$(RUN) -m pip install -q --no-deps -r requirements-$*.txt
	touch $@

# The default model's corpus: generated speech (hours of computing; it can be interrupted), a recorded voice if KATHLEEN
# names a folder with it, and both played faster and slower, as further voices.
KATHLEEN ?=
HOURS ?= 12
corpus: setup
	$(RUN) -m pip install -q -e '.[corpus]' --no-build-isolation
	mkdir -p corpora
	test -d corpora/voice-packs || (cd corpora && tar xzf "$$(npm pack --silent kokoro-js@1.2.1)" package/voices \
		&& mv package/voices voice-packs && rmdir package && rm kokoro-js-*.tgz)
	OMP_NUM_THREADS=1 $(RUN) prepare_data.py kokoro --voice-packs corpora/voice-packs --hours $(HOURS) \
		--workers $$(nproc) --out corpora/generated
ifneq ($(KATHLEEN),)
	$(RUN) prepare_data.py kathleen $(KATHLEEN) --valid 20 --held-out resources/texts/held_out.txt --out corpora/kathleen
endif
	mkdir -p corpora/default
	for part in train valid; do \
		{ sed "s|^|../generated/|" corpora/generated/$$part.txt; \
			$(if $(KATHLEEN),sed "/^[^\/]/s|^|../kathleen/|" corpora/kathleen/$$part.txt;) } > corpora/default/$$part.txt; \
	done
	$(RUN) -m data.speed_perturbation corpora/default/train.txt --out corpora/perturbed
	sed "s|^|../perturbed/|" corpora/perturbed/train.txt >> corpora/default/train.txt

# What hears, the model, and then its decoder for few evaluations; each resumes where it was stopped.
train: setup
	$(RUN) -m training.recordings --config configs/kokoro.yaml -o logs/recordings
	$(RUN) train_multi_speaker.py --config configs/kokoro.yaml style.voice_channels=128 \
		train.recordings=logs/recordings/recordings.pt
	$(RUN) train_multi_speaker.py --config configs/taught.yaml

# The table of docs/default_model.md; CHECKPOINT= and SENTENCES= for another model, or a quick look.
SENTENCES ?= 100
evaluate-default: setup $(VENV)/eval
	$(RUN) benchmarks/default_model.py -c $(CHECKPOINT) --sentences $(SENTENCES) --workers $$(nproc)

# The table of docs/interpolation.md: hours; it resumes where it stopped. BUNDLED names a model of configs/bundled.yaml.
PAIRS ?= 40
BUNDLED ?=
evaluate-interpolation: setup $(VENV)/eval
	$(RUN) benchmarks/interpolation.py -c $(CHECKPOINT) --pairs $(PAIRS) $(if $(BUNDLED),--bundled $(BUNDLED))

tensorboard: setup
	$(RUN) -m tensorboard.main --logdir logs

clean:
	rm -rf $(VENV) .peer build *.egg-info out
