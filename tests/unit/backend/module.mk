UNIT_DIRS += tests/unit/backend
