UNIT_DIRS += tests/unit/frontend/record
