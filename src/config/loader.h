/* loader.h: what the two readers, YAML and environment, write into: the configuration and the report. */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include "config/keys.h"

/* After so many errors the rest of a source is not read. */
#define CONFIG_ERRORS_MAX 100

struct loader {
    struct config *config;
    struct config_report *report;
    bool *foreign_named; /* one a foreign key: its warning stands already */
};

/* One value from a source. */
struct assignment {
    enum config_source source;
    const char *subject; /* how messages begin: "takhin.yaml:12:9: profiler.port", "TAKHIN_PROFILER_PORT" */
    const char *where;   /* for config_origin */
    const char *path;    /* any form of the key */
    const char *text;    /* NULL: what stands there is no single value, but */
    const char *instead; /* ... this: "a list" */
};

/* Set the key, or report why not. False if there is no such key; the caller says so in its own words. */
bool loader_assign(struct loader *loader, const struct assignment *assignment) MUST_USE;

void loader_error(struct loader *loader, const char *format, ...) PRINTF_LIKE(2, 3);
void loader_warning(struct loader *loader, const char *format, ...) PRINTF_LIKE(2, 3);

/* The readers. What they find wrong is in the report. */
void loader_read_yaml(struct loader *loader, const char *file);
void loader_read_environment(struct loader *loader, const char *const *environment);

#endif
