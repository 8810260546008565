# Fuzz targets; tests/fuzz/fuzz.h says how one is made.

FUZZ_TARGETS := $(sort $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c)))
FUZZ_SECS    ?= 60
FUZZ_CC      ?= $(if $(findstring ccache,$(CC)),ccache )clang
FUZZ_SAN     := address,undefined
FUZZ_DIR     := build-fuzz
FUZZ_MAKE     = $(MAKE) --no-print-directory CC='$(FUZZ_CC)' BUILD=$(FUZZ_DIR) SAN=fuzzer-no-link,$(FUZZ_SAN)
# No leak is hidden; a slow input is a finding too.
FUZZ_ARGS    ?= -timeout=10 -rss_limit_mb=2048 -print_final_stats=1

# The libraries that a target's includes ask for. Left unexpanded: the names are defined later.
fuzz_libs = $(if $(shell grep -l '"frontend/' tests/fuzz/$(1)_fuzz.c),$$(LIBFRONTEND)) \
	    $(if $(shell grep -l '"backend/' tests/fuzz/$(1)_fuzz.c),$$(LIBBACKEND)) \
	    $(if $(shell grep -l '"tests/lib/' tests/fuzz/$(1)_fuzz.c),$$(TESTLIB_OBJ)) \
	    $$(LIBPROTO) $$(LIBCOMMON)

.SECONDEXPANSION:
define fuzz_rule
$$(BUILD)/fuzz/$(1): $$(BUILD)/obj/tests/fuzz/$(1)_fuzz.o $(subst $$,$$$$,$(call fuzz_libs,$(1)))
	@mkdir -p $$(@D)
	@echo '  LD    $$@'
	@$$(CC) $$(ALL_CFLAGS) $$(LDHARDEN) -fsanitize=fuzzer -o $$@ $$^ $$(LIBS)

$$(BUILD)/fuzz/$(1)_replay: $$(BUILD)/obj/tests/fuzz/$(1)_fuzz.o $$(BUILD)/obj/tests/fuzz/replay.o \
		$(subst $$,$$$$,$(call fuzz_libs,$(1)))
	@mkdir -p $$(@D)
	@echo '  LD    $$@'
	@$$(CC) $$(ALL_CFLAGS) $$(LDHARDEN) -o $$@ $$^ $$(LIBS)

.PHONY: fuzz-$(1)
fuzz-$(1):
	+@$$(FUZZ_MAKE) $(FUZZ_DIR)/fuzz/$(1)
	@tests/fuzz/run $(FUZZ_DIR) $(1) $$(FUZZ_SECS) $$(FUZZ_ARGS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(t))))

.PHONY: fuzz fuzz-build fuzz-replay
fuzz: fuzz-build ## every fuzz target for FUZZ_SECS seconds (or fuzz-X: one of them)
	@for t in $(FUZZ_TARGETS); do \
		tests/fuzz/run $(FUZZ_DIR) $$t $(FUZZ_SECS) $(FUZZ_ARGS) || exit 1; \
	done

fuzz-build:
	+@$(FUZZ_MAKE) $(addprefix $(FUZZ_DIR)/fuzz/,$(FUZZ_TARGETS))

FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%_replay)
fuzz-replay: $(FUZZ_REPLAYS) ## the fuzz targets' seeds, once each
	@$(PYTHON) tests/fuzz/replay.py $(FUZZ_REPLAYS)
