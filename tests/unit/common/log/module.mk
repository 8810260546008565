UNIT_DIRS += tests/unit/common/log
