/* The table of engine profiles. */
#include "engine/engine.h"

static const struct engine_profile rows[] = {
#define ENGINE_PROFILE(name, o_ms, w_ms, b_us, c_ns, e_ns, s_us, kv)                                                   \
	{ name, (o_ms)*1e-3, (w_ms)*1e-3, (b_us)*1e-6, (c_ns)*1e-9, (e_ns)*1e-9, (s_us)*1e-6, kv },
#include "engine/profiles.def"
#undef ENGINE_PROFILE
};

const struct engine_profile *engine_profiles(size_t *n)
{
	*n = sizeof rows / sizeof rows[0];
	return rows;
}

const struct engine_profile *engine_profile_find(struct span name)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (span_eq(name, span_str(rows[i].name)))
			return &rows[i];
	return NULL;
}
