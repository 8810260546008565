UNIT_DIRS += tests/unit/backend/areas
UNIT_MORE_tests/unit/backend/areas := tests/unit/backend/directory/rig_test.c
