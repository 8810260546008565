# captured: holds a node's certificate and key and asks a back-end whatever it is told to.
PROGRAMS += captured
captured_MAIN := tests/captured/ask.c tests/captured/captured.c
captured_LIBS :=

# later.so: a back-end's clock put ahead. Without sanitizers: deploy/cluster, which starts the
# back-end, loads it, too.
all: $(BUILD)/later.so
$(BUILD)/later.so: tests/captured/later.c
	@mkdir -p $(@D)
	@echo '  CC    $@'
	@$(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) -fPIC -shared -o $@ $<
