UNIT_DIRS += tests/unit/common/conf
