UNIT_DIRS += tests/unit/common/net
