TESTLIB_SRC := tests/lib/check.c
