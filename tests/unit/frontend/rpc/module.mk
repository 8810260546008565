UNIT_DIRS += tests/unit/frontend/rpc
