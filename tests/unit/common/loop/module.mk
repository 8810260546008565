UNIT_DIRS += tests/unit/common/loop
