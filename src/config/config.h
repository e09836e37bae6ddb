/* config.h: what the operator wants, from three sources into the option structs that the modules take.
 *
 * Order, the later one wins: the default of each key, the YAML file, the environment. keys.c is the list of keys;
 * configs/takhin.yaml, which is written from it, is the documentation for people. One thread. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "broker/options.h"
#include "http/options.h"
#include "profiler/options.h"
#include "storage/options.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit status of a program whose configuration or command line is bad. */
#define CONFIG_EXIT_STATUS 2

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT };

/* Where the value of one key came from. */
struct config_origin {
    enum config_source source;
    const char *where; /* "default", "configs/takhin.yaml:12:9", "TAKHIN_PROFILER_PORT" */
};

/* May be copied as a whole; exactly one of the copies is then given to config_free. */
struct config {
    struct broker_options broker;
    struct storage_options storage;
    struct log_options log;
    struct http_port_options metrics;
    struct http_port_options health;
    struct profiler_options profiler;

    struct config_origin *origins; /* one a key, in the order of the table */
    struct arena arena;            /* holds every string above */
};

struct config_sources {
    const char *file;               /* path of the YAML file; NULL: none, which is no error */
    const char *const *environment; /* as environ: "NAME=value", ended by NULL; NULL: none */
};

struct config_message {
    struct config_message *next;
    bool is_error; /* else a warning: the program may start */
    const char *text; /* without a line end: "takhin.yaml:12:9: profiler.prot: unknown key (did you mean ...?)" */
};

/* Everything there is to say about the sources, in the order found. */
struct config_report {
    struct config_message *first, **end;
    int errors, warnings;
    struct arena arena;
};

/* Read all sources; every error is found in one go. 0, or ERR_CONFIG with at least one error in the report; *config is
 * then empty. Both outputs are overwritten; free the report always, and the configuration (also an empty one). */
int config_load(const struct config_sources *sources, struct config *config, struct config_report *report) MUST_USE;
void config_free(struct config *config);
void config_report_free(struct config_report *report);

/* Each key, its value and where that came from, as a YAML file that loads to the same values. */
void config_print(const struct config *config, struct buf *text);
/* The text of configs/takhin.yaml: each key with its meaning, range, variable and default. */
void config_write_example(struct buf *text);
/* Each key with its default and meaning, a line each, for -h. */
void config_write_help(struct buf *text);

/* Appends "kafka.max_connections, server.port": the keys whose values differ and that are read at start only, so that a
 * reload does not apply them. Returns how many. */
size_t config_reload_differs(const struct config *running, const struct config *fresh, struct buf *keys) MUST_USE;

#endif
