UNIT_DIRS += tests/unit/frontend/sendmail
