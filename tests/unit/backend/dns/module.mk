UNIT_DIRS += tests/unit/backend/dns
UNIT_MORE_tests/unit/backend/dns := tests/unit/backend/directory/rig_test.c
