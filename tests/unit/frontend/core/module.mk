UNIT_DIRS += tests/unit/frontend/core
