/* keys.h: the table of keys, and how a name finds its row. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"

#include <stdint.h>

enum config_type {
    CONFIG_BOOL,
    CONFIG_INTEGER,
    CONFIG_PORT,
    CONFIG_SIZE,     /* bytes */
    CONFIG_DURATION, /* nanoseconds; the field may hold milliseconds */
    CONFIG_TEXT,
    CONFIG_CHOICE, /* an enum, by name */
};

/* One name of an enum's value; of several names of a value the first is written. */
struct config_choice {
    const char *name;
    int value;
};

struct config_key {
    const char *path;
    enum config_type type;
    size_t offset, size; /* of the field in struct config */
    int64_t field_ns;    /* durations: how many ns one unit of the field is */
    int64_t minimum, maximum; /* of the number in bytes, ns or as it is; of texts the length */
    bool unlimited;           /* -1 and 0 say "no limit" and are stored as -1 */
    bool live;                /* a reload applies it */
    const struct config_choice *choices; /* ended by a NULL name */
    const char *default_text;
    const char *meaning; /* one sentence */
};

/* The first part of the paths, and what its keys are about. */
struct config_section {
    const char *name;
    const char *meaning;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;
extern const struct config_section config_sections[];
extern const size_t config_section_count;

/* Keys of the Go broker's file that this broker cannot follow. */
struct config_foreign_key {
    const char *path;           /* the key, or all keys below it */
    const char *harmless_value; /* any other is an error, for ignoring it would break a promise; NULL: any may stand */
    const char *reason;
};

extern const struct config_foreign_key config_foreign_keys[];
extern const size_t config_foreign_key_count;

/* What people write who look for a key elsewhere, where the letters do not lead to it. */
struct config_guess {
    const char *guess, *key;
};

extern const struct config_guess config_guesses[];
extern const size_t config_guess_count;

/* A key as somebody named it. */
struct config_name {
    const struct config_key *key;
    int64_t number_ns; /* a duration whose name ends in its unit (log_retention_hours: 168); 0: the text has the unit */
};

/* '.' and '_' are the same in all of these: storage.data.dir is storage.data_dir. */
bool config_names_equal(const char *a, const char *b);
/* Is `path` equal to `prefix` or below it? */
bool config_name_below(const char *path, const char *prefix);

bool config_find_key(const char *path, struct config_name *name) MUST_USE;
/* NULL: none. */
const struct config_foreign_key *config_find_foreign(const char *path);
/* Do names of keys, foreign ones too, go on below this path? */
bool config_is_section(const char *path);
/* The key that was meant: a known guess, or else the key that is most like this one; NULL if none is like it. */
const char *config_nearest_key(const char *path);
/* The same for a name at the top: a known guess, or else a section. */
const char *config_nearest_section(const char *path);
/* "profiler.port" -> "TAKHIN_PROFILER_PORT". */
void config_write_variable(struct buf *text, const char *path);

#endif
