UNIT_DIRS += tests/unit/frontend/mime
