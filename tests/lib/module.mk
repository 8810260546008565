TESTLIB_SRC := tests/lib/check.c tests/lib/dnsserver.c tests/lib/dnstwin.c tests/lib/gate.c tests/lib/moved_clock.c \
	tests/lib/pgserver.c tests/lib/wire.c
