BACKEND_SRC := $(sort $(filter-out backend/main.c, $(shell find backend -name '*.c' ! -path 'backend/ctl/*')))
