UNIT_DIRS += tests/unit/common/crypto
