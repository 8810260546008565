BACKEND_SRC := $(sort $(filter-out backend/main.c, $(shell find backend -name '*.c' ! -path 'backend/ctl/*')))

PROGRAMS += postern-backend
postern-backend_MAIN := backend/main.c
postern-backend_LIBS = $(LIBBACKEND)
