/* penstock: the subcommand's name, and off to it. */
#include "cmd/cmd.h"

#include <stdio.h>

#include "base/base.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{ "serve", cmd_serve, "serve clients: the gateway itself" },
	{ "mock", cmd_mock, "be an OpenAI-compatible engine, with faults on demand" },
	{ "check", cmd_check, "check manifests and say what is wrong with them" },
	{ "facts", cmd_facts, "say what the gateway understands of a request body" },
	{ "demo", cmd_demo, "four mock replicas, a gateway, and chats between them" },
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

char **cmd_argv;

static int usage(FILE *out, int status)
{
	fputs("usage: penstock COMMAND [flags]\n\n", out);
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\npenstock COMMAND --help lists a command's flags; penstock --version\n", out);
	return status;
}

int main(int argc, char **argv)
{
	struct span name = span_str(argc > 1 ? argv[1] : NULL);
	cmd_argv = argv;
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		if (span_eq(name, span_str(commands[i].name)))
			return commands[i].run(argc - 1, argv + 1);
	}
	if (span_eq(name, SPAN("--version"))) {
		puts("penstock " PENSTOCK_VERSION);
		return 0;
	}
	if (span_eq(name, SPAN("--help")) || span_eq(name, SPAN("-h")))
		return usage(stdout, 0);
	if (name.n)
		fprintf(stderr, "penstock: there is no command \"%.*s\"\n", SPAN_ARG(name));
	return usage(stderr, 1);
}
