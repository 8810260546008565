UNIT_DIRS += tests/unit/frontend/dns
