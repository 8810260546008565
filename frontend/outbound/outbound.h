/*
 * frontend/outbound: mail on its way to other hosts. The service has no listeners: its worker asks
 * DNS, dials strangers, and reads what they say, confined as everybody who hears strangers.
 */
#ifndef FRONTEND_OUTBOUND_OUTBOUND_H
#define FRONTEND_OUTBOUND_OUTBOUND_H

#include "frontend/core/session.h"

extern const struct protocol outbound_protocol;

#endif
