UNIT_DIRS += tests/unit/common/parse
