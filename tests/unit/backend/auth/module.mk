UNIT_DIRS += tests/unit/backend/auth
UNIT_MORE_tests/unit/backend/auth := tests/unit/backend/directory/rig_test.c
