/* `penstock mock`: one mock replica on one loop, until a signal ends it. Wiring only: the server is the room mock. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "loop/loop.h"
#include "mock/mock.h"

static const char usage[] = "usage: penstock mock --listen HOST:PORT [option…]\n"
			    "An OpenAI-compatible server made of an engine model, with faults on demand.\n"
			    "  --listen HOST:PORT    where to listen; port 0 takes any (127.0.0.1:8000)\n"
			    "  --model NAME          what it serves; repeated: further names of the same (mock)\n"
			    "  --lora NAME[=PATH]    an adapter loaded at start; repeated\n"
			    "  --profile NAME        model and accelerator: h100-8b, a100-8b, h100-1b, h100-70b, "
			    "a100-70b, l4-8b, l4-1b (h100-8b)\n"
			    "  --speed X             X times faster than the engine it stands for (1)\n"
			    "  --max-model-len N     tokens of prompt and answer (131072, or what the KV cache holds)\n"
			    "  --max-loras N         adapters running at a time (4)\n"
			    "  --max-num-seqs N      requests running at a time (256)\n"
			    "  --kv-blocks N         KV blocks (of the profile)\n"
			    "  --block-size N        tokens of a KV block (16)\n"
			    "  --seed N              of words and lengths (0)\n"
			    "  --fault SPEC          KIND[=VALUE][:KEY=VALUE[,KEY=VALUE]…]; repeated. Keys: p, count, "
			    "after, for, at, retry-after, on\n";

enum { OPT_LISTEN = 256, OPT_MODEL, OPT_LORA, OPT_PROFILE, OPT_SPEED, OPT_FAULT, OPT_NUMBER };

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "model", required_argument, NULL, OPT_MODEL },
	{ "lora", required_argument, NULL, OPT_LORA },
	{ "profile", required_argument, NULL, OPT_PROFILE },
	{ "speed", required_argument, NULL, OPT_SPEED },
	{ "fault", required_argument, NULL, OPT_FAULT },
	{ "max-model-len", required_argument, NULL, OPT_NUMBER },
	{ "max-loras", required_argument, NULL, OPT_NUMBER },
	{ "max-num-seqs", required_argument, NULL, OPT_NUMBER },
	{ "kv-blocks", required_argument, NULL, OPT_NUMBER },
	{ "block-size", required_argument, NULL, OPT_NUMBER },
	{ "seed", required_argument, NULL, OPT_NUMBER },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int set_number(struct mock_options *o, const char *name, const char *text)
{
	const struct {
		const char *name;
		uint32_t *to;
	} rows[] = { { "max-model-len", &o->max_model_len },
		     { "max-loras", &o->max_loras },
		     { "max-num-seqs", &o->max_num_seqs },
		     { "kv-blocks", &o->kv_blocks },
		     { "block-size", &o->block_tokens } };
	uint64_t n;
	if (!span_to_u64(span_str(text), &n))
		return -PS_EINVAL;
	if (strcmp(name, "seed") == 0) {
		o->seed = n;
		return 0;
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(name, rows[i].name) == 0) {
			*rows[i].to = (uint32_t)n;
			return n >= 1 && n <= UINT32_MAX ? 0 : -PS_EINVAL;
		}
	return -PS_EINVAL;
}

static int add_text(const char **list, size_t max, const char *text)
{
	for (size_t i = 0; i < max; i++)
		if (!list[i]) {
			list[i] = text;
			return 0;
		}
	return -PS_ETOOBIG;
}

static int set_speed(struct mock_options *o, const char *text)
{
	char *end;
	o->speed = strtod(text, &end);
	return *text && !*end && o->speed > 0 && o->speed <= 1e6 ? 0 : -PS_EINVAL;
}

static int set_option(struct mock_options *o, int what, const char *name, const char *text)
{
	switch (what) {
	case OPT_LISTEN:
		o->listen = text;
		return 0;
	case OPT_PROFILE:
		o->profile = text;
		return 0;
	case OPT_SPEED:
		return set_speed(o, text);
	case OPT_MODEL:
		return add_text(o->models, MOCK_NAMES_MAX, text);
	case OPT_LORA:
		return add_text(o->loras, MOCK_NAMES_MAX, text);
	case OPT_FAULT:
		return add_text(o->faults, MOCK_FAULTS_MAX, text);
	default:
		return set_number(o, name, text);
	}
}

/* 0: go on; otherwise leave with that status less one. */
static int read_options(struct mock_options *o, int argc, char **argv)
{
	int what, index = 0;
	opterr = 0;
	while ((what = getopt_long(argc, argv, "h", options, &index)) != -1) {
		if (what == 'h') {
			printf("%s%s", usage, mock_faults_help());
			return 1;
		}
		if (what == '?') {
			fprintf(stderr, "penstock mock: '%s' is not an option, or lacks its value; see --help\n",
				argv[optind - 1]);
			return 2;
		}
		if (set_option(o, what, options[index].name, optarg) < 0) {
			fprintf(stderr, "penstock mock: --%s does not take '%s'\n", options[index].name, optarg);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "penstock mock: '%s' is not an option\n", argv[optind]);
		return 2;
	}
	return 0;
}

/* Signals are waited for here, so that nothing of ours runs inside a signal handler. */
static void wait_for_signal(void)
{
	sigset_t set;
	int which;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)sigwait(&set, &which);
}

static int run(struct loop *l, const struct mock_options *o)
{
	char at[ADDRESS_TEXT_MAX];
	struct err e = { 0 };
	struct mock *m = mock_start(l, o, &e);
	if (!m) {
		fprintf(stderr, "penstock mock: %s\n", e.text);
		return 1;
	}
	address_format(mock_address(m), at);
	printf("penstock mock: listening on http://%s, model %s, profile %s\n", at,
	       o->models[0] ? o->models[0] : "mock", o->profile ? o->profile : "h100-8b");
	(void)fflush(stdout);
	int r = loop_start(l);
	if (r == 0) {
		wait_for_signal();
		loop_stop(l);
		loop_join(l);
	}
	mock_free(m);
	return r < 0;
}

int cmd_mock(int argc, char **argv)
{
	struct mock_options o = { .listen = "127.0.0.1:8000" };
	int r = read_options(&o, argc, argv);
	if (r)
		return r - 1;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)descriptors_init();
	struct loop *l = loop_new("mock", 0);
	if (!l) {
		fprintf(stderr, "penstock mock: no loop could be made\n");
		return 1;
	}
	r = run(l, &o);
	loop_free(l);
	return r;
}
