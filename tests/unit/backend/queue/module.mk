UNIT_DIRS += tests/unit/backend/queue
UNIT_MORE_tests/unit/backend/queue := tests/unit/backend/directory/rig_test.c \
	tests/unit/backend/store/util_test.c tests/unit/backend/delivery/room_test.c
