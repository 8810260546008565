UNIT_DIRS += tests/unit/frontend/mailauth
