UNIT_DIRS += tests/unit/frontend/smtp
