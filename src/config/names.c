/* names.c: how a name that somebody wrote finds its row in the table, or the row it was meant to be. */
#include "config/keys.h"

#include <ctype.h>
#include <limits.h>

/* A longer name is not compared for likeness. */
#define LIKENESS_MAX 96

/* A duration's name may end in its unit, as in the Go broker's file; the value is then a whole number. */
static const struct {
    const char *name;
    int64_t ns;
} unit_suffixes[] = {{"ms", 1000000ll}, {"hours", 3600000000000ll}};

/* '.' and '_' part the words of a name alike. */
static char folded(char c)
{
    return c == '_' ? '.' : c;
}

/* What follows `prefix` in `path`; NULL if the path starts otherwise. */
static const char *behind(const char *path, const char *prefix)
{
    while (*prefix)
        if (folded(*path++) != folded(*prefix++))
            return NULL;
    return path;
}

bool config_names_equal(const char *a, const char *b)
{
    const char *rest = behind(a, b);
    return rest && *rest == 0;
}

bool config_name_below(const char *path, const char *prefix)
{
    const char *rest = behind(path, prefix);
    return rest && (*rest == 0 || folded(*rest) == '.');
}

bool config_find_key(const char *path, struct config_name *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *rest = behind(path, key->path);
        if (rest && *rest == 0) {
            *name = (struct config_name){.key = key};
            return true;
        }
        if (!rest || key->type != CONFIG_DURATION || folded(*rest) != '.')
            continue;
        for (size_t u = 0; u < ARRAY_COUNT(unit_suffixes); u++)
            if (strcmp(rest + 1, unit_suffixes[u].name) == 0) {
                *name = (struct config_name){.key = key, .number_ns = unit_suffixes[u].ns};
                return true;
            }
    }
    return false;
}

const struct config_foreign_key *config_find_foreign(const char *path)
{
    for (size_t i = 0; i < config_foreign_key_count; i++)
        if (config_name_below(path, config_foreign_keys[i].path))
            return &config_foreign_keys[i];
    return NULL;
}

bool config_is_section(const char *path)
{
    if (config_find_foreign(path))
        return true;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        bool is_key = config_names_equal(key->path, path);
        if (is_key ? key->type == CONFIG_DURATION : config_name_below(key->path, path))
            return true;
    }
    for (size_t i = 0; i < config_foreign_key_count; i++)
        if (config_name_below(config_foreign_keys[i].path, path))
            return true;
    return false;
}

/* Levenshtein: how many letters must be changed, added or dropped to make `a` into `b`. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[LIKENESS_MAX + 1];
    size_t width = strlen(b);
    for (size_t i = 0; i <= width; i++)
        row[i] = (unsigned)i;
    for (size_t line = 1; *a; a++, line++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)line;
        for (size_t i = 1; i <= width; i++) {
            unsigned best = diagonal + (folded((char)tolower((unsigned char)*a)) != folded(b[i - 1]));
            diagonal = row[i];
            if (row[i] + 1 < best)
                best = row[i] + 1;
            if (row[i - 1] + 1 < best)
                best = row[i - 1] + 1;
            row[i] = best;
        }
    }
    return row[width];
}

/* The best of several names; more than half of it changed is no likeness. */
struct likeness {
    const char *path, *nearest;
    unsigned least;
};

static struct likeness likeness_of(const char *path)
{
    size_t length = strnlen(path, LIKENESS_MAX + 1);
    return (struct likeness){.path = path, .least = length > LIKENESS_MAX ? 0 : (unsigned)length / 2 + 1};
}

static void likeness_try(struct likeness *likeness, const char *name)
{
    unsigned changes = likeness->least ? distance(likeness->path, name) : UINT_MAX;
    if (changes < likeness->least) {
        likeness->least = changes;
        likeness->nearest = name;
    }
}

static const char *guessed_key(const char *path)
{
    for (size_t i = 0; i < config_guess_count; i++)
        if (config_names_equal(path, config_guesses[i].guess))
            return config_guesses[i].key;
    return NULL;
}

const char *config_nearest_key(const char *path)
{
    const char *guessed = guessed_key(path);
    if (guessed)
        return guessed;
    struct likeness likeness = likeness_of(path);
    for (size_t i = 0; i < config_key_count; i++)
        likeness_try(&likeness, config_keys[i].path);
    return likeness.nearest;
}

const char *config_nearest_section(const char *path)
{
    const char *guessed = guessed_key(path);
    if (guessed)
        return guessed;
    struct likeness likeness = likeness_of(path);
    for (size_t i = 0; i < config_section_count; i++)
        likeness_try(&likeness, config_sections[i].name);
    return likeness.nearest;
}

void config_write_variable(struct buf *text, const char *path)
{
    buf_append_string(text, "TAKHIN_");
    for (; *path; path++)
        buf_append_byte(text, *path == '.' ? '_' : (uint8_t)toupper((unsigned char)*path));
}
