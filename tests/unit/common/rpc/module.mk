UNIT_DIRS += tests/unit/common/rpc
