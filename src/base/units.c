/* units.c: parsing and printing of sizes and durations. */
#include "base/units.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    int64_t bytes;
} size_units[] = {
    {"", 1},          {"B", 1},          {"K", 1ll << 10},   {"KiB", 1ll << 10}, {"KB", 1000},
    {"M", 1ll << 20}, {"MiB", 1ll << 20}, {"MB", 1000000},    {"G", 1ll << 30},   {"GiB", 1ll << 30},
    {"GB", 1000000000}, {"T", 1ll << 40}, {"TiB", 1ll << 40}, {"TB", 1000000000000},
};

/* Longest first, so that "ms" is not read as "m". */
static const struct {
    const char *name;
    int64_t ns;
} duration_units[] = {
    {"ns", 1}, {"us", 1000}, {"\xc2\xb5s", 1000}, {"ms", 1000000}, {"s", 1000000000},
    {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
};

int units_parse_size(const char *text, int64_t *bytes)
{
    if (!isdigit((unsigned char)text[0]))
        return ERR_MALFORMED;
    char *end;
    errno = 0;
    intmax_t number = strtoimax(text, &end, 10);
    if (errno == ERANGE)
        return ERR_OUT_OF_RANGE;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < ARRAY_COUNT(size_units); i++)
        if (strcasecmp(end, size_units[i].name) == 0)
            return __builtin_mul_overflow(number, size_units[i].bytes, bytes) ? ERR_OUT_OF_RANGE : 0;
    return ERR_MALFORMED;
}

/* One "12.5ms": its value is added to *ns and *text moves behind it. */
static int parse_duration_part(const char **text, int64_t *ns)
{
    const char *at = *text;
    int64_t whole = 0, fraction = 0, scale = 1;
    int digits = 0;
    for (; isdigit((unsigned char)*at); at++, digits++)
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, *at - '0', &whole))
            return ERR_OUT_OF_RANGE;
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at); at++, digits++)
            if (scale < 1000000000) { /* further digits are below a nanosecond */
                fraction = fraction * 10 + (*at - '0');
                scale *= 10;
            }
    if (digits == 0)
        return ERR_MALFORMED;
    for (size_t i = 0; i < ARRAY_COUNT(duration_units); i++) {
        size_t length = strlen(duration_units[i].name);
        if (strncmp(at, duration_units[i].name, length) != 0 || isalpha((unsigned char)at[length]))
            continue;
        int64_t unit = duration_units[i].ns, value;
        int64_t below = (int64_t)((__int128)fraction * unit / scale);
        if (__builtin_mul_overflow(whole, unit, &value) || __builtin_add_overflow(value, below, &value) ||
            __builtin_add_overflow(*ns, value, ns))
            return ERR_OUT_OF_RANGE;
        *text = at + length;
        return 0;
    }
    return ERR_MALFORMED;
}

int units_parse_duration(const char *text, int64_t *ns)
{
    int sign = 1;
    int64_t total = 0;
    if (*text == '-' || *text == '+')
        sign = *text++ == '-' ? -1 : 1;
    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return 0;
    }
    do {
        int rc = parse_duration_part(&text, &total);
        if (rc < 0)
            return rc;
    } while (*text);
    *ns = sign * total;
    return 0;
}

void units_format_size(int64_t bytes, char *text, size_t capacity)
{
    static const char *const names[] = {"", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_COUNT(names)) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, capacity, "%" PRId64 "%s", bytes, names[unit]);
}

/* 1500 of unit 1000 -> "1.5", with no trailing zeros. */
static void format_fraction(uint64_t value, uint64_t unit, const char *name, char *text, size_t capacity)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value % unit + unit); /* leading 1 keeps the zeros */
    while (length > 1 && digits[length - 1] == '0')
        digits[--length] = 0;
    snprintf(text, capacity, "%" PRIu64 "%s%s%s", value / unit, length > 1 ? "." : "", digits + 1, name);
}

void units_format_duration(int64_t ns, char *text, size_t capacity)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    char seconds[64];
    if (left == 0)
        snprintf(seconds, sizeof seconds, "0s");
    else if (left < 1000)
        snprintf(seconds, sizeof seconds, "%" PRIu64 "ns", left);
    else if (left < 1000000)
        format_fraction(left, 1000, "us", seconds, sizeof seconds);
    else if (left < 1000000000)
        format_fraction(left, 1000000, "ms", seconds, sizeof seconds);
    else
        format_fraction(left % 60000000000, 1000000000, "s", seconds, sizeof seconds);

    uint64_t minutes = left / 60000000000, hours = minutes / 60;
    minutes %= 60;
    char head[64] = "";
    if (hours)
        snprintf(head, sizeof head, "%" PRIu64 "h%" PRIu64 "m", hours, minutes);
    else if (minutes)
        snprintf(head, sizeof head, "%" PRIu64 "m", minutes);
    /* "1h0m0s" as Go prints it is longer than what people write: drop the zeros at the end. */
    if ((hours || minutes) && left % 60000000000 == 0)
        seconds[0] = 0;
    if (hours && minutes == 0 && !seconds[0])
        snprintf(head, sizeof head, "%" PRIu64 "h", hours);
    snprintf(text, capacity, "%s%s%s", ns < 0 ? "-" : "", head, seconds);
}
