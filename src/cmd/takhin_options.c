/* takhin_options.c: reads the command line of takhin by a table of flags. */
#include "cmd/takhin_options.h"

#include "base/error.h"
#include "config/config.h"

#include <string.h>

struct flag {
    const char *name;
    bool takes_file;
    enum takhin_action action; /* of a flag that takes nothing */
    const char *meaning;       /* NULL: another name of the flag above */
};

static const struct flag flags[] = {
    {"config", true, TAKHIN_RUN, "read this YAML file; without it the defaults and the environment count"},
    {"check-config", false, TAKHIN_CHECK_CONFIG, "say what is wrong with the configuration, and end"},
    {"print-config", false, TAKHIN_PRINT_CONFIG, "show each key, its value and where it came from, and end"},
    {"version", false, TAKHIN_PRINT_VERSION, "show the version, and end"},
    {"help", false, TAKHIN_PRINT_HELP, "show this and every key of the configuration, and end (also -h)"},
    {"h", false, TAKHIN_PRINT_HELP, NULL},
};

/* The flag that an argument names, and what stands behind its "=" (NULL: no "="). NULL: no such flag. */
static const struct flag *find_flag(const char *argument, const char **value)
{
    if (*argument != '-')
        return NULL;
    argument += argument[1] == '-' ? 2 : 1;
    size_t length = strcspn(argument, "=");
    *value = argument[length] ? argument + length + 1 : NULL;
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
        if (strlen(flags[i].name) == length && memcmp(argument, flags[i].name, length) == 0)
            return &flags[i];
    return NULL;
}

int takhin_options_parse(int argc, char **argv, struct takhin_options *options, struct buf *message)
{
    *options = (struct takhin_options){0};
    for (int i = 1; i < argc; i++) {
        const char *value;
        const struct flag *flag = find_flag(argv[i], &value);
        if (!flag) {
            buf_printf(message, "%s: %s", argv[i],
                       argv[i][0] == '-' ? "no such flag" : "only flags may stand here");
            return ERR_CONFIG;
        }
        if (!flag->takes_file && value) {
            buf_printf(message, "%s: -%s takes no value", argv[i], flag->name);
            return ERR_CONFIG;
        }
        if (!flag->takes_file) {
            options->action = flag->action;
            continue;
        }
        if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value || !*value) {
            buf_printf(message, "-%s needs a file", flag->name);
            return ERR_CONFIG;
        }
        options->config_file = value;
    }
    return 0;
}

void takhin_options_write_usage(struct buf *text)
{
    buf_append_string(text, "usage: takhin [flags]\n\n");
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
        if (flags[i].meaning)
            buf_printf(text, "  -%s%s\n        %s\n", flags[i].name, flags[i].takes_file ? " FILE" : "",
                       flags[i].meaning);
}

void takhin_options_write_help(struct buf *text)
{
    buf_append_string(text, "takhin: a Kafka-compatible broker with its profiler built in.\n\n");
    takhin_options_write_usage(text);
    buf_append_string(text, "\nKeys of the configuration and their defaults. The environment goes before the file:\n"
                            "TAKHIN_PROFILER_ENABLED=true is profiler.enabled: true.\n\n");
    config_write_help(text);
}
