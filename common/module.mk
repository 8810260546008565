COMMON_SRC := $(sort $(shell find common -name '*.c'))
