UNIT_DIRS += tests/unit/backend/ticket
UNIT_MORE_tests/unit/backend/ticket := tests/unit/backend/directory/rig_test.c
