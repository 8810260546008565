FRONTEND_SRC := $(sort $(filter-out frontend/main.c frontend/check/main.c frontend/sendmail/main.c, \
                  $(shell find frontend -name '*.c')))

PROGRAMS += postern-frontend
postern-frontend_MAIN := frontend/main.c
postern-frontend_LIBS = $(LIBFRONTEND)

# Installed under the names sendmail, mailq and newaliases.
PROGRAMS += postern-sendmail
postern-sendmail_MAIN := frontend/sendmail/main.c
postern-sendmail_LIBS = $(LIBFRONTEND)
