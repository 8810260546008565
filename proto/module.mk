PROTO := $(sort $(wildcard proto/*.proto))
