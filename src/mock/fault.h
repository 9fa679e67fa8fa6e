/* Faults on demand: what is to go wrong, how often and when. Private to mock. */
#ifndef PS_MOCK_FAULT_H
#define PS_MOCK_FAULT_H

#include "base/base.h"

enum fault_kind {
#define FAULT(id, name, help) FAULT_##id,
#include "mock/faults.def"
#undef FAULT
	FAULT_KIND_COUNT,
	FAULT_NONE = FAULT_KIND_COUNT
};

enum metrics_lie {
#define METRICS_LIE(id, name, help) LIE_##id,
#include "mock/lies.def"
#undef METRICS_LIE
	LIE_COUNT,
	LIE_NONE = LIE_COUNT
};

/* Which requests a fault is for. */
enum fault_scope { FAULT_ON_API, FAULT_ON_HEALTH, FAULT_ON_METRICS, FAULT_ON_ALL };

enum { FAULT_SPEC_MAX = 160, FAULTS_MAX = 32 };

/* One line of what may go wrong. */
struct fault {
	char spec[FAULT_SPEC_MAX]; /* as given */
	enum fault_kind kind;
	enum metrics_lie lie;
	enum fault_scope scope;
	bool scope_given;
	int status;
	uint32_t retry_after_s;
	uint32_t at; /* stream events that still go well */
	double p;
	uint64_t count; /* how many times at most */
	uint64_t after_ns, for_ns;
	uint64_t since_ns; /* when it was put in force */
	uint64_t hits;
};

struct faults {
	struct fault all[FAULTS_MAX];
	size_t n;
};

/* "KIND[=VALUE][:KEY=VALUE[,KEY=VALUE]…]" (docs/reference/mock.md). 0 or -PS_EINVAL with what was wanted. */
int fault_parse(struct fault *f, struct span spec, uint64_t now, struct err *e) MUST_CHECK;
/* In its window and not used up. */
bool fault_is_open(const struct fault *f, uint64_t now);
/* The first open fault for a request of this scope that the dice choose, counted as a hit; or NULL. */
struct fault *faults_draw(struct faults *fs, enum fault_scope scope, uint64_t now, struct rng *rng);
/* The same for a connection that asks to be accepted. */
struct fault *faults_draw_refusal(struct faults *fs, uint64_t now, struct rng *rng);
/* True while a refusal without probability or count is open: then nobody should listen. */
bool faults_refuse_all(const struct faults *fs, uint64_t now);
/* When faults_refuse_all may change next; UINT64_MAX: never. */
uint64_t faults_next_change(const struct faults *fs, uint64_t now);

#endif
