/* The door of base: text, memory, containers, hashing, errors, time. Depends on nothing of ours. */
#ifndef PS_BASE_BASE_H
#define PS_BASE_BASE_H

#include "base/address.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/span.h"
#include "base/text.h"

#endif
