FRONTEND_SRC := $(sort $(filter-out frontend/main.c frontend/check/main.c, \
                  $(shell find frontend -name '*.c')))

PROGRAMS += postern-frontend
postern-frontend_MAIN := frontend/main.c
postern-frontend_LIBS = $(LIBFRONTEND)
