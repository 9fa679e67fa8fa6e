/* The subcommands of penstock: one file each, wiring and nothing else. main.c has the table. */
#ifndef PS_CMD_CMD_H
#define PS_CMD_CMD_H

#define PENSTOCK_VERSION "0.1.0"

/* argv[0] is the subcommand's name. The process's exit status: 0, or 1 with a message on standard error. */
int cmd_serve(int argc, char **argv);
int cmd_mock(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_facts(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* The whole command line, program first, as main was given it: what a hand-over starts again. */
extern char **cmd_argv;

#endif
