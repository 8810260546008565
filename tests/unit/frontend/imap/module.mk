UNIT_DIRS += tests/unit/frontend/imap
