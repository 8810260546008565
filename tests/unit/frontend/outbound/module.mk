UNIT_DIRS += tests/unit/frontend/outbound
