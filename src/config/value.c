/* value.c: texts to fields and back. */
#include "config/value.h"

#include "base/error.h"
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
    const char *name;
    bool value;
} bool_names[] = {
    {"true", true}, {"false", false}, {"yes", true}, {"no", false},
    {"on", true},   {"off", false},   {"1", true},   {"0", false},
};

static int parse_integer(const char *text, int64_t *number)
{
    const char *digits = text + (*text == '-');
    if (*digits < '0' || *digits > '9')
        return ERR_MALFORMED;
    char *end;
    errno = 0;
    *number = strtoimax(text, &end, 10);
    if (*end)
        return ERR_MALFORMED;
    return errno == ERANGE ? ERR_OUT_OF_RANGE : 0;
}

static int parse_bool(const char *text, int64_t *number)
{
    for (size_t i = 0; i < ARRAY_COUNT(bool_names); i++)
        if (strcasecmp(text, bool_names[i].name) == 0) {
            *number = bool_names[i].value;
            return 0;
        }
    return ERR_MALFORMED;
}

static int parse_duration(const struct config_name *name, const char *text, int64_t *ns)
{
    int rc;
    if (name->number_ns == 0) {
        rc = units_parse_duration(text, ns);
    } else {
        int64_t number;
        rc = parse_integer(text, &number);
        if (rc == 0 && __builtin_mul_overflow(number, name->number_ns, ns))
            rc = ERR_OUT_OF_RANGE;
    }
    return rc;
}

static int parse_choice(const struct config_key *key, const char *text, int64_t *number)
{
    for (const struct config_choice *choice = key->choices; choice->name; choice++)
        if (strcmp(text, choice->name) == 0) {
            *number = choice->value;
            return 0;
        }
    return ERR_MALFORMED;
}

/* The number as the row measures it: bytes, ns, 0 or 1, an enum's value. */
static int parse_number(const struct config_name *name, const char *text, int64_t *number)
{
    switch (name->key->type) {
    case CONFIG_BOOL:
        return parse_bool(text, number);
    case CONFIG_INTEGER:
    case CONFIG_PORT:
        return parse_integer(text, number);
    case CONFIG_SIZE:
        return units_parse_size(text, number);
    case CONFIG_DURATION:
        return parse_duration(name, text, number);
    case CONFIG_CHOICE:
        return parse_choice(name->key, text, number);
    case CONFIG_TEXT:
        break;
    }
    ASSERT(!"a text has no number");
    return ERR_MALFORMED;
}

static void *field_of(const struct config *config, const struct config_key *key)
{
    return (char *)config + key->offset;
}

static void store_number(void *field, size_t size, int64_t number)
{
    switch (size) {
    case sizeof(bool):
        *(bool *)field = number != 0;
        return;
    case sizeof(uint16_t):
        *(uint16_t *)field = (uint16_t)number;
        return;
    case sizeof(int32_t):
        *(int32_t *)field = (int32_t)number;
        return;
    case sizeof(int64_t):
        *(int64_t *)field = number;
        return;
    }
    ASSERT(!"the macros of keys.c admit no other size");
}

static int64_t load_number(const void *field, size_t size)
{
    switch (size) {
    case sizeof(bool):
        return *(const bool *)field;
    case sizeof(uint16_t):
        return *(const uint16_t *)field;
    case sizeof(int32_t):
        return *(const int32_t *)field;
    case sizeof(int64_t):
        return *(const int64_t *)field;
    }
    ASSERT(!"the macros of keys.c admit no other size");
    return 0;
}

/* Control characters, line separators and byte order marks, in UTF-8: no host and no path that anybody wants has them,
 * and YAML would not give them back. */
static bool is_unprintable(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    return c[0] < 0x20 || c[0] == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0) ||
           (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) ||
           (c[0] == 0xef && ((c[1] == 0xbb && c[2] == 0xbf) || (c[1] == 0xbf && c[2] >= 0xbe)));
}

static int set_text(struct config *config, const struct config_key *key, const char *text)
{
    int64_t length = (int64_t)strlen(text);
    for (const char *c = text; *c; c++)
        if (is_unprintable(c))
            return ERR_MALFORMED;
    if (length < key->minimum || length > key->maximum)
        return ERR_OUT_OF_RANGE;
    *(const char **)field_of(config, key) = arena_copy_bytes(&config->arena, bytes_of_string(text));
    return 0;
}

int config_value_set(struct config *config, const struct config_name *name, const char *text)
{
    const struct config_key *key = name->key;
    if (key->type == CONFIG_TEXT)
        return set_text(config, key, text);

    if (key->unlimited && (strcmp(text, "-1") == 0 || strcmp(text, "0") == 0)) {
        store_number(field_of(config, key), key->size, -1);
        return 0;
    }
    int64_t number;
    int rc = parse_number(name, text, &number);
    if (rc < 0)
        return rc;
    if (key->type != CONFIG_CHOICE && (number < key->minimum || number > key->maximum))
        return ERR_OUT_OF_RANGE;
    /* Rounded up: 500us must not be 0 in a field of milliseconds, where 0 may have a meaning of its own. */
    if (key->type == CONFIG_DURATION)
        number = number / key->field_ns + (number % key->field_ns != 0);
    store_number(field_of(config, key), key->size, number);
    return 0;
}

/* The number as people write it. */
static void write_number(const struct config_key *key, int64_t number, struct buf *text)
{
    char formatted[64];
    switch (key->type) {
    case CONFIG_BOOL:
        buf_append_string(text, number ? "true" : "false");
        return;
    case CONFIG_SIZE:
        units_format_size(number, formatted, sizeof formatted);
        buf_append_string(text, formatted);
        return;
    case CONFIG_DURATION:
        units_format_duration(number, formatted, sizeof formatted);
        buf_append_string(text, formatted);
        return;
    case CONFIG_CHOICE:
        for (const struct config_choice *choice = key->choices; choice->name; choice++)
            if (choice->value == number) {
                buf_append_string(text, choice->name);
                return;
            }
        ASSERT(!"an enum value without a name");
        return;
    case CONFIG_INTEGER:
    case CONFIG_PORT:
    case CONFIG_TEXT:
        buf_printf(text, "%" PRId64, number);
        return;
    }
}

/* Does YAML read this as the text that it is, without quotes? */
static bool is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '/' && (c == text || !strchr("._-", *c)))
            return false;
    return *text && strcasecmp(text, "null") != 0;
}

void config_value_write(const struct config *config, const struct config_key *key, struct buf *text)
{
    if (key->type == CONFIG_TEXT) {
        const char *value = *(const char **)field_of(config, key);
        if (is_plain(value))
            buf_append_string(text, value);
        else
            config_quote(text, value, SIZE_MAX);
        return;
    }
    int64_t number = load_number(field_of(config, key), key->size);
    if (key->unlimited && number == -1)
        buf_append_string(text, "-1");
    else
        write_number(key, key->type == CONFIG_DURATION ? number * key->field_ns : number, text);
}

bool config_value_equal(const struct config *a, const struct config *b, const struct config_key *key)
{
    if (key->type == CONFIG_TEXT)
        return strcmp(*(const char **)field_of(a, key), *(const char **)field_of(b, key)) == 0;
    return load_number(field_of(a, key), key->size) == load_number(field_of(b, key), key->size);
}

static void write_choices(const struct config_key *key, struct buf *text)
{
    const char *separator = "one of ";
    for (const struct config_choice *choice = key->choices; choice->name; choice++, separator = ", ")
        buf_printf(text, "%s%s", separator, choice->name);
}

/* An end of the range; in the unit that the name has, if it has one. */
static void write_bound(const struct config_name *name, int64_t bound, struct buf *text)
{
    if (name->number_ns)
        buf_printf(text, "%" PRId64, bound / name->number_ns + (bound % name->number_ns != 0));
    else
        write_number(name->key, bound, text);
}

void config_value_expected(const struct config_name *name, struct buf *text)
{
    static const char *const nouns[] = {
        [CONFIG_INTEGER] = "a whole number",
        [CONFIG_PORT] = "a port",
        [CONFIG_SIZE] = "a size",
        [CONFIG_DURATION] = "a duration",
    };
    const struct config_key *key = name->key;
    switch (key->type) {
    case CONFIG_BOOL:
        buf_append_string(text, "true or false");
        return;
    case CONFIG_CHOICE:
        write_choices(key, text);
        return;
    case CONFIG_TEXT:
        buf_printf(text, "a text of %s%" PRId64 " printable characters", key->minimum ? "1 to " : "at most ",
                   key->maximum);
        return;
    case CONFIG_INTEGER:
    case CONFIG_PORT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
        break;
    }
    buf_printf(text, "%s from ", name->number_ns ? nouns[CONFIG_INTEGER] : nouns[key->type]);
    write_bound(name, key->minimum, text);
    if (key->maximum < INT64_MAX) {
        buf_append_string(text, " to ");
        write_bound(name, key->maximum, text);
    }
    if (key->unlimited)
        buf_append_string(text, ", or -1 or 0 for no limit");
}

const char *config_value_examples(const struct config_name *name)
{
    if (name->key->type == CONFIG_SIZE)
        return "64KiB, 1GiB, 1048576";
    return name->key->type == CONFIG_DURATION && !name->number_ns ? "30s, 1h30m" : NULL;
}

void config_quote(struct buf *quoted, const char *text, size_t longest)
{
    buf_append_byte(quoted, '"');
    for (size_t i = 0; text[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        if (i == longest) {
            buf_append_string(quoted, "...");
            break;
        }
        if (c == '"' || c == '\\')
            buf_printf(quoted, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(quoted, "\\x%02x", c);
        else
            buf_append_byte(quoted, c);
    }
    buf_append_byte(quoted, '"');
}
