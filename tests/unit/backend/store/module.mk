UNIT_DIRS += tests/unit/backend/store
