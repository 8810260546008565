# captured: holds a node's certificate and key and asks a back-end whatever it is told to.
PROGRAMS += captured
captured_MAIN := $(wildcard tests/captured/*.c)
captured_LIBS :=
