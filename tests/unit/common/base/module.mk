UNIT_DIRS += tests/unit/common/base
