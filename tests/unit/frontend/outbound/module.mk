UNIT_DIRS += tests/unit/frontend/outbound
UNIT_MORE_tests/unit/frontend/outbound := tests/lib/dnstwin.c tests/unit/frontend/rpc/played_test.c
