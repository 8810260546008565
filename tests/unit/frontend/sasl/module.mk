UNIT_DIRS += tests/unit/frontend/sasl
