UNIT_DIRS += tests/unit/backend/sign
UNIT_MORE_tests/unit/backend/sign := tests/unit/backend/directory/rig_test.c
