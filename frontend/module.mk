FRONTEND_SRC := $(sort $(filter-out frontend/main.c frontend/check/main.c, \
                  $(shell find frontend -name '*.c')))
