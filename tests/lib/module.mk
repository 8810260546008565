TESTLIB_SRC := tests/lib/check.c tests/lib/pgserver.c tests/lib/wire.c
