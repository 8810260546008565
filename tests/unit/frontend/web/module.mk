UNIT_DIRS += tests/unit/frontend/web
