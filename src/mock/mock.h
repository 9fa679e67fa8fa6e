/* The door of mock: an OpenAI-compatible server that is an engine model behind HTTP, for tests, demonstrations and
 * the first five minutes. It answers like vLLM 0.32: same paths, same bytes around the words, same metric names, and
 * everything it tells of itself is the state that answers requests. Faults can be asked for (docs/reference/mock.md).
 */
#ifndef PS_MOCK_MOCK_H
#define PS_MOCK_MOCK_H

#include "base/base.h"
#include "engine/engine.h"
#include "loop/loop.h"

enum { MOCK_NAMES_MAX = 64, MOCK_FAULTS_MAX = 32 };

/* Texts are borrowed until mock_start returns. Zero fields take the value beside them. */
struct mock_options {
	const char *listen;		    /* "127.0.0.1:0" */
	const char *models[MOCK_NAMES_MAX]; /* the first is the name, the others further aliases: "mock" */
	const char *loras[MOCK_NAMES_MAX];  /* adapters loaded at start: NAME or NAME=PATH */
	const char *faults[MOCK_FAULTS_MAX];
	const char *profile;	/* a row of engine/profiles.def: "h100-8b" */
	double speed;		/* how many seconds of engine time pass in one: 1.0 */
	uint32_t max_model_len; /* tokens: 131072, or the KV cache if that is smaller */
	uint32_t max_loras;	/* adapters running at a time: 4 */
	uint32_t kv_blocks;	/* the profile's */
	uint32_t block_tokens;	/* 16 */
	uint32_t max_num_seqs;	/* 256 */
	uint64_t seed;		/* of words and hidden lengths: 0 */
};

struct mock;

/* Makes a server on a loop that is not running yet, or from the loop's own thread. NULL: see e. */
struct mock *mock_start(struct loop *l, const struct mock_options *options, struct err *e);
/* Ends it: open requests are cut. From the loop's thread, or after the loop has ended. */
void mock_free(struct mock *m);
/* The address it listens at. */
const struct address *mock_address(const struct mock *m);
/* What --fault takes, a line each, for a help text. */
const char *mock_faults_help(void);

#endif
