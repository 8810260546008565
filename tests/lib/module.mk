TESTLIB_SRC := tests/lib/check.c tests/lib/wire.c
