/* The door of wire: bytes in, events out. No sockets, no clock, no allocation beyond the caller's. */
#ifndef PS_WIRE_WIRE_H
#define PS_WIRE_WIRE_H

#include "wire/http1.h"
#include "wire/proxy_protocol.h"
#include "wire/sse.h"

#endif
