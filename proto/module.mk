PROTO := $(sort $(wildcard proto/*.proto))
PROTO_SRC := $(sort $(wildcard proto/*.c))
