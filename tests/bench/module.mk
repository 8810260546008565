# rpcbench: what a call over the RPC costs. mailbench and syncbench: load generators for any mail
# server (MAILBENCH.md); they stand alone and keep to fewer warnings.
PROGRAMS += rpcbench
rpcbench_MAIN := tests/bench/rpcbench.c
rpcbench_LIBS :=

BENCH_CFLAGS := -O2 -g -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes
$(BUILD)/mailbench $(BUILD)/syncbench $(BUILD)/smtpsink: $(BUILD)/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo '  CC    $@'
	@$(CC) $(BENCH_CFLAGS) -o $@ $< -lssl -lcrypto -lpthread

.PHONY: bench
bench: all $(BUILD)/mailbench ## Postern and Postfix + Dovecot, measured side by side
	@$(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

.PHONY: bench-out
bench-out: all $(BUILD)/mailbench $(BUILD)/smtpsink ## the way out, beside Postfix; long queues and dead hosts
	@$(PYTHON) tests/bench/outbound.py $(BENCH_ARGS)

.PHONY: timing
timing: all ## whether the time of a refused log-in tells which names exist
	@$(PYTHON) tests/bench/timing.py $(TIMING_ARGS)

PROGRAMS += storebench
storebench_MAIN := tests/bench/storebench.c
storebench_LIBS = $(LIBBACKEND)
