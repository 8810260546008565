UNIT_DIRS += tests/unit/frontend/super
