UNIT_DIRS += tests/unit/common/record
