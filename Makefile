# Postern: one non-recursive Makefile. Every folder with code has a module.mk that names its
# sources; objects, generated code and programs go to build/ (or build-asan/, build-tsan/).
#
#   make            build the programs            make run     a whole cluster on this machine
#   make test       the fast suite                make check   format, lint, layers
#   make help       every target

VERSION  := 0.1
BUILD    ?= build
ifeq ($(origin CC),default)
CC       := gcc
endif
PYTHON   ?= python3
SAN      ?=

PKGS     := libuv openssl libprotobuf-c lmdb libsodium libpq libzstd libxxhash libconfig libseccomp libidn2 jansson libcurl zlib krb5-gssapi
WARN     := -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wundef \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wvla -Wimplicit-fallthrough -Wswitch-enum -Wnull-dereference \
            -Wdouble-promotion
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack
OPT      := -O2 -g3 -fno-omit-frame-pointer
ifeq ($(SAN),)
OPT      += -D_FORTIFY_SOURCE=2
else
OPT      := -O1 -g3 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDHARDEN := -pie -fsanitize=$(SAN)
WARN     := $(filter-out -Wnull-dereference,$(WARN))
endif
ifneq (,$(findstring gcc,$(CC)))
WARN     += -Wlogical-op -Wduplicated-cond -Wduplicated-branches
endif
ifneq (,$(findstring clang,$(CC)))
# clang looks into the initializers of protobuf-c and libseccomp; gcc checks our own code for these.
# A string as a truth value is invariant(!"why this cannot be").
WARN     += -Wno-missing-field-initializers -Wno-cast-qual -Wno-string-conversion
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CFLAGS   ?=
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(HARDEN) $(PKG_CFLAGS) \
              -DPOSTERN_VERSION='"$(VERSION)"' -I. -isystem $(BUILD)/gen -pthread $(CFLAGS)
GEN_CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT) $(HARDEN) $(PKG_CFLAGS) -I$(BUILD)/gen -w
# No .pc file of libunistring; that of libunbound wants development packages of its own libraries.
LIBS     := $(PKG_LIBS) -lunistring -lunbound -pthread -lm
# Not -MMD: the generated headers are "system" headers, and objects must follow them.
DEPS     := -MD -MP

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# Each module.mk adds to these.
COMMON_SRC :=
FRONTEND_SRC :=
BACKEND_SRC :=
CTL_SRC :=
PROTO :=
UNIT_DIRS :=
FUZZ_TARGETS :=
PROGRAMS :=

MODULES := $(sort $(shell find common frontend backend proto tests -name module.mk 2>/dev/null))
include $(MODULES)

PROTO_C   := $(PROTO:proto/%.proto=$(BUILD)/gen/proto/%.pb-c.c)
PROTO_H   := $(PROTO_C:.c=.h)
PROTO_OBJ := $(PROTO_C:.c=.o)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

LIBCOMMON   := $(BUILD)/libcommon.a
LIBFRONTEND := $(BUILD)/libfrontend.a
LIBBACKEND  := $(BUILD)/libbackend.a
LIBPROTO    := $(BUILD)/libproto.a

# A change of flags rebuilds.
FLAGS_STAMP := $(BUILD)/flags.stamp
FLAGS_NOW   := $(CC) $(ALL_CFLAGS) $(LDHARDEN) $(DEPS)
$(FLAGS_STAMP): FORCE
	@mkdir -p $(@D)
	@echo "$(subst ",,$(FLAGS_NOW))" | cmp -s - $@ || echo "$(subst ",,$(FLAGS_NOW))" > $@
FORCE:
.SECONDARY:

$(BUILD)/gen/proto/%.pb-c.c $(BUILD)/gen/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(BUILD)/gen
	@protoc-c -I. --c_out=$(BUILD)/gen $<

$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c $(PROTO_H) $(FLAGS_STAMP)
	@$(CC) $(GEN_CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(FLAGS_STAMP) | $(PROTO_H)
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(ALL_CFLAGS) $(CFLAGS_$(subst /,_,$(basename $<))) $(DEPS) -c -o $@ $<

$(LIBCOMMON): $(call obj,$(COMMON_SRC))
$(LIBFRONTEND): $(call obj,$(FRONTEND_SRC))
$(LIBBACKEND): $(call obj,$(BACKEND_SRC))
$(LIBPROTO): $(PROTO_OBJ) $(call obj,$(PROTO_SRC))
$(LIBCOMMON) $(LIBFRONTEND) $(LIBBACKEND) $(LIBPROTO):
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

# Programs: PROGRAMS lists names; each has NAME_MAIN (its main file) and NAME_LIBS.
define program_rule
$(BUILD)/$(1): $(call obj,$($(1)_MAIN)) $($(1)_LIBS) $(LIBPROTO) $(LIBCOMMON)
	@echo '  LD    $$@'
	@$$(CC) $$(ALL_CFLAGS) $$(LDHARDEN) -o $$@ $$^ $$(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# Unit tests: one program a folder below tests/unit, from every *_test.c in it, and from
# UNIT_MORE_<folder>.
UNIT_PROGRAMS := $(patsubst tests/unit/%,$(BUILD)/unit/%.t,$(UNIT_DIRS))
TESTLIB_OBJ   := $(call obj,$(TESTLIB_SRC))
define unit_rule
$(BUILD)/unit/$(1:tests/unit/%=%).t: $(call obj,$(sort $(wildcard $(1)/*_test.c) $(UNIT_MORE_$(1)))) $(TESTLIB_OBJ) \
		$(if $(findstring unit/frontend,$(1)),$(LIBFRONTEND)) \
		$(if $(findstring unit/backend,$(1)),$(LIBBACKEND)) $(LIBPROTO) $(LIBCOMMON)
	@mkdir -p $$(@D)
	@echo '  LD    $$@'
	@$$(CC) $$(ALL_CFLAGS) $$(LDHARDEN) -o $$@ $$^ $$(LIBS)
endef
$(foreach d,$(UNIT_DIRS),$(eval $(call unit_rule,$(d))))

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all unit test run asan tsan clean FORCE
all: $(addprefix $(BUILD)/,$(PROGRAMS)) ## the programs, in build/

unit: $(UNIT_PROGRAMS) ## unit tests
	@$(PYTHON) tests/lib/run_unit.py $(UNIT_PROGRAMS)

# On a fresh machine the libraries are not there when make reads this file: the work is done by a
# second make, which finds them.
test: ## the whole fast suite; ends with N passed, N failed
	@deploy/install-deps --test
	@$(MAKE) --no-print-directory $(ALL_AT_ONCE) test-programs
	@$(PYTHON) tests/lib/run_all.py

# As many compilers as processors, unless somebody has said how many.
ALL_AT_ONCE = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: test-programs run-built
test-programs: all $(BUILD)/mailbench $(UNIT_PROGRAMS) $(FUZZ_REPLAYS)

run: ## a whole cluster on this machine, under run/
	@deploy/install-deps
	@$(MAKE) --no-print-directory run-built

run-built: all
	@deploy/run

asan: ## unit and cluster tests under ASan and UBSan
	@$(MAKE) --no-print-directory SAN=address,undefined BUILD=build-asan all unit \
		fuzz-replay
	@POSTERN_BUILD=$(CURDIR)/build-asan $(PYTHON) tests/lib/run_cluster.py tests/cluster \
		tests/interop

tsan: ## the store's and the loop's unit tests under TSan
	@$(MAKE) --no-print-directory SAN=thread BUILD=build-tsan build-tsan/unit/backend/store.t \
		build-tsan/unit/common/loop.t
	@$(PYTHON) tests/lib/run_unit.py build-tsan/unit/backend/store.t build-tsan/unit/common/loop.t

clean: ## remove everything that was built
	rm -rf build build-asan build-tsan build-fuzz build-clang
