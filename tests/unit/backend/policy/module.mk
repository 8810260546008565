UNIT_DIRS += tests/unit/backend/policy
UNIT_MORE_tests/unit/backend/policy := tests/unit/backend/directory/rig_test.c
