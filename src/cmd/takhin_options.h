/* takhin_options.h: the command line of takhin. */
#ifndef CMD_TAKHIN_OPTIONS_H
#define CMD_TAKHIN_OPTIONS_H

#include "base/buf.h"
#include "base/check.h"

enum takhin_action { TAKHIN_RUN, TAKHIN_CHECK_CONFIG, TAKHIN_PRINT_CONFIG, TAKHIN_PRINT_VERSION, TAKHIN_PRINT_HELP };

struct takhin_options {
    enum takhin_action action; /* the last one that was asked for */
    const char *config_file;   /* points into argv; NULL: defaults and environment only */
};

/* Reads argv[1] and on; flags have one dash or two, values follow in their own argument or behind "=".
 * 0, or ERR_CONFIG with *message saying why, one line: the program prints it and the usage to standard error, and ends
 * with CONFIG_EXIT_STATUS. */
int takhin_options_parse(int argc, char **argv, struct takhin_options *options, struct buf *message) MUST_USE;

/* Usage and flags, a screen at most. */
void takhin_options_write_usage(struct buf *text);
/* The usage, then every key of the configuration. For -h. */
void takhin_options_write_help(struct buf *text);

#endif
