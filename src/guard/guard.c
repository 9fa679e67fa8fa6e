/* The checks by head, in order. A check is one file with one function and one row here. */
#include "guard/guard.h"

typedef int guard_head_check(const struct guard_head *g, struct err *e);

static guard_head_check *const head_checks[] = { NULL };

int guard_by_head(const struct guard_head *g, struct err *e)
{
	for (guard_head_check *const *check = head_checks; *check; check++) {
		int r = (*check)(g, e);
		if (r < 0)
			return r;
	}
	return 0;
}
