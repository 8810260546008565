BACKEND_SRC := $(sort $(filter-out backend/main.c backend/ctl/main.c, $(shell find backend -name '*.c')))

PROGRAMS += postern-backend
postern-backend_MAIN := backend/main.c
postern-backend_LIBS = $(LIBBACKEND)

PROGRAMS += postern
postern_MAIN := backend/ctl/main.c
postern_LIBS = $(LIBBACKEND)
