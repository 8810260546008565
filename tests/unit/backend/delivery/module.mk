UNIT_DIRS += tests/unit/backend/delivery
UNIT_MORE_tests/unit/backend/delivery := tests/unit/backend/directory/rig_test.c \
	tests/unit/backend/store/util_test.c
