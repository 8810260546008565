# Checks of the source text. They need Python, and clang-format for the format; nothing is built.

LINT_C = $(filter-out tests/bench/mailbench.c tests/bench/syncbench.c tests/bench/smtpsink.c, \
	$(shell git ls-files -co --exclude-standard '*.c' '*.h'))

.PHONY: check lint layers format-check fmt help

check: format-check lint layers ## format, lint, layers

lint: ## banned functions, lengths, comments, WAITS, and the pages against the sources
	@$(PYTHON) tests/lint/selftest.py
	@$(PYTHON) tests/lint/style.py
	@$(PYTHON) tests/lint/waits.py
	@$(PYTHON) tests/lint/limits.py
	@$(PYTHON) tests/lint/man.py
	@$(PYTHON) tests/lint/errors.py
	@$(PYTHON) tests/lint/pages.py
	@$(PYTHON) tests/lint/rooms.py

layers: ## who includes whom (docs/layers.txt)
	@$(PYTHON) tests/lint/layers.py

format-check: ## clang-format agrees with every file
	@clang-format --dry-run -Werror $(LINT_C)

fmt: ## let clang-format rewrite every file
	@clang-format -i $(LINT_C)

# Targets are listed by the comment after their `##`.
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' \
		$(sort $(filter Makefile %.mk,$(MAKEFILE_LIST)))
