/* measure.c: three families of units, and the rounding that pprof's reports use. */
#include "pprof/measure.h"

#include "base/check.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;       /* as printed */
    const char *aliases[3]; /* as profiles write it, in lower case and without a plural's s */
    double factor;
};

struct family {
    const struct unit *units;
    size_t count;
    struct unit fallback; /* for values below the smallest unit, and for 0 */
};

static const struct unit memory_units[] = {
    {"B", {"b", "byte"}, 1},
    {"kB", {"kb", "kbyte", "kilobyte"}, 0x1p10},
    {"MB", {"mb", "mbyte", "megabyte"}, 0x1p20},
    {"GB", {"gb", "gbyte", "gigabyte"}, 0x1p30},
    {"TB", {"tb", "tbyte", "terabyte"}, 0x1p40},
    {"PB", {"pb", "pbyte", "petabyte"}, 0x1p50},
};

static const struct unit time_units[] = {
    {"ns", {"ns", "nanosecond"}, 1},
    {"us", {"us", "microsecond"}, 1e3},
    {"ms", {"ms", "millisecond"}, 1e6},
    {"s", {"s", "sec", "second"}, 1e9},
    {"hrs", {"hour", "hr"}, 3600e9},
};

/* Computing as Google counts it. As in pprof, none but GCU is found by the name that it is printed with. */
static const struct unit computing_units[] = {
    {"n*GCU", {"nanogcu"}, 1e-9}, {"u*GCU", {"microgcu"}, 1e-6}, {"m*GCU", {"milligcu"}, 1e-3},
    {"GCU", {"gcu"}, 1},          {"k*GCU", {"kilogcu"}, 1e3},   {"M*GCU", {"megagcu"}, 1e6},
    {"G*GCU", {"gigagcu"}, 1e9},  {"T*GCU", {"teragcu"}, 1e12},  {"P*GCU", {"petagcu"}, 1e15},
};

static const struct family families[] = {
    {memory_units, ARRAY_COUNT(memory_units), {.name = "B", .factor = 1}},
    {time_units, ARRAY_COUNT(time_units), {.name = "s", .factor = 1e9}},
    {computing_units, ARRAY_COUNT(computing_units), {.name = "GCU", .factor = 1}},
};

static const struct unit *find_unit(const struct family *family, const char *name)
{
    char simple[16];
    size_t length = strlen(name);
    if (length >= sizeof(simple))
        return NULL;
    for (size_t i = 0; i <= length; i++)
        simple[i] = (char)tolower((unsigned char)name[i]);
    if (length > 2 && simple[length - 1] == 's')
        simple[length - 1] = '\0';
    for (size_t i = 0; i < family->count; i++) {
        for (size_t j = 0; j < ARRAY_COUNT(family->units[i].aliases); j++) {
            const char *alias = family->units[i].aliases[j];
            if (alias != NULL && strcmp(alias, simple) == 0)
                return &family->units[i];
        }
    }
    return NULL;
}

static const struct unit *best_unit(const struct family *family, double value)
{
    const struct unit *best = &family->fallback;
    for (size_t i = 0; i < family->count && value / family->units[i].factor >= 1; i++)
        best = &family->units[i];
    return best;
}

static struct measured scale_positive(double value, const char *from, const char *to)
{
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        const struct family *family = &families[i];
        const struct unit *source = find_unit(family, from);
        if (source == NULL)
            continue;
        double base = value * source->factor;
        const struct unit *target = strcmp(to, MEASURE_BEST_UNIT) == 0 ? best_unit(family, base)
                                                                       : find_unit(family, to);
        if (target == NULL)
            target = &family->fallback;
        return (struct measured){base / target->factor, target->name};
    }
    static const char *const silent[] = {"count", "sample", "unit", MEASURE_BEST_UNIT, "auto"};
    for (size_t i = 0; i < ARRAY_COUNT(silent); i++) {
        if (strcmp(to, silent[i]) == 0)
            return (struct measured){value, ""};
    }
    return (struct measured){value, to};
}

struct measured measure_scale(int64_t value, const char *from, const char *to)
{
    struct measured measured = scale_positive(fabs((double)value), from, to);
    if (value < 0)
        measured.value = -measured.value;
    return measured;
}

bool measure_is_convertible(const char *from, const char *to)
{
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        if (find_unit(&families[i], from) != NULL && find_unit(&families[i], to) != NULL)
            return true;
    }
    return strcmp(from, to) == 0;
}

void measure_format(int64_t value, const char *from, const char *to, char *text, size_t capacity)
{
    struct measured measured = measure_scale(value, from, to);
    char number[64];
    int length = snprintf(number, sizeof(number), "%.2f", measured.value);
    ASSERT(length > 3 && (size_t)length < sizeof(number)); /* an int64 times a factor has at most 36 digits */
    if (strcmp(number + length - 3, ".00") == 0)
        number[length - 3] = '\0';
    if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0)
        snprintf(text, capacity, "0");
    else
        snprintf(text, capacity, "%s%s", number, measured.unit);
}

int measure_width(const char *text, int characters)
{
    for (; *text != '\0'; text++)
        characters += ((unsigned char)*text & 0xc0) == 0x80; /* a character's second byte, or a later one */
    return characters;
}

void measure_percentage(int64_t value, int64_t total, char *text, size_t capacity)
{
    double ratio = total == 0 ? 0 : fabs((double)value / (double)total) * 100;
    if (ratio >= 99.95 && ratio <= 100.05)
        snprintf(text, capacity, "  100%%");
    else
        snprintf(text, capacity, ratio >= 1 ? "%5.2f%%" : "%5.2g%%", ratio);
}
