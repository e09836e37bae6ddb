/* by_label.c: sums by the text of one label. */
#include "pprof/by_label.h"

#include "pprof/heaviest.h"
#include "pprof/row.h"
#include "pprof/value.h"

static int compare_rows(const void *left, const void *right)
{
    const struct by_label_row *a = left, *b = right;
    if (value_magnitude(a->sum) != value_magnitude(b->sum))
        return value_magnitude(a->sum) > value_magnitude(b->sum) ? -1 : 1;
    if (a->value == NULL || b->value == NULL)
        return (a->value == NULL) - (b->value == NULL);
    return strcmp(a->value, b->value);
}

/* By the string of the value; apart, as there may be millions. */
struct sums {
    int64_t *sums;
    uint32_t *sample_counts;
};

static void count(struct sums *sums, uint32_t string, int64_t value)
{
    sums->sums[string] = value_add(sums->sums[string], value);
    sums->sample_counts[string]++;
}

#define WITHOUT 0 /* no label has the empty text */

static void add_up(const struct filter *filter, uint32_t key, struct sums *sums)
{
    const struct profile *profile = filter->profile;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        int64_t value = filter_value(filter, i);
        if (value == 0 || !filter_keeps(filter, i))
            continue;
        bool has_label = false;
        const struct profile_sample *sample = &profile->samples[i];
        for (uint32_t j = 0; j < sample->label_count; j++) {
            struct profile_label label = profile_label_at(profile, sample->label_start + j);
            if (label.key != key || label.text == 0)
                continue;
            has_label = true;
            count(sums, label.text, value);
        }
        if (!has_label)
            count(sums, WITHOUT, value);
    }
}

static void keep_heaviest(struct by_label *table, const struct sums *sums)
{
    const struct profile *profile = table->filter->profile;
    table->rows = arena_alloc_array(&table->arena, BY_LABEL_ROWS_MAX, sizeof(*table->rows));
    struct heaviest heaviest = {.rows = table->rows, .row_size = sizeof(*table->rows), .capacity = BY_LABEL_ROWS_MAX,
                                .compare = compare_rows};
    for (uint32_t i = WITHOUT + 1; i < profile->string_count; i++) {
        if (sums->sample_counts[i] == 0)
            continue;
        struct by_label_row row = {profile_text(profile, i), sums->sums[i], sums->sample_counts[i]};
        table->value_count++;
        heaviest_offer(&heaviest, &row);
    }
    if (table->value_count > 0 && sums->sample_counts[WITHOUT] > 0) {
        struct by_label_row row = {NULL, sums->sums[WITHOUT], sums->sample_counts[WITHOUT]};
        table->value_count++;
        heaviest_offer(&heaviest, &row);
    }
    table->row_count = heaviest.count;
}

void by_label_init(struct by_label *table, const struct filter *filter, const char *key)
{
    *table = (struct by_label){.filter = filter, .key = key};
    arena_init(&table->arena);
    uint32_t string_count = filter->profile->string_count, key_string = profile_find_string(filter->profile, key);
    if (key_string == 0)
        return;
    struct sums sums = {mem_alloc_array(string_count, sizeof(*sums.sums)),
                        mem_alloc_array(string_count, sizeof(*sums.sample_counts))};
    add_up(filter, key_string, &sums);
    keep_heaviest(table, &sums);
    mem_free(sums.sums);
    mem_free(sums.sample_counts);
}

void by_label_deinit(struct by_label *table)
{
    arena_deinit(&table->arena);
}

struct key_list {
    const char **keys;
    size_t count, capacity;
};

static void add_key(struct key_list *list, const char *key)
{
    if (list->count < list->capacity)
        list->keys[list->count] = key;
    list->count++;
}

size_t by_label_keys(const struct profile *profile, const char **keys, size_t capacity)
{
    static const char *const first[] = {"api", "topic", "client_id", "reason", "thread", "broker"};
    struct key_list list = {.keys = keys, .capacity = capacity};
    bool *uses = mem_alloc_array(profile->string_count, sizeof(*uses));
    for (uint32_t i = 0; i < profile->sample_label_count; i++) {
        struct profile_label label = profile_label_at(profile, i);
        uses[label.key] |= label.text != 0;
    }
    uses[profile_find_string(profile, FILTER_BASE_LABEL)] = false;
    for (size_t i = 0; i < ARRAY_COUNT(first); i++) {
        uint32_t key = profile_find_string(profile, first[i]);
        if (uses[key])
            add_key(&list, first[i]);
        uses[key] = false;
    }
    for (uint32_t i = 0; i < profile->sample_label_count; i++) {
        uint32_t key = profile_label_at(profile, i).key;
        if (uses[key])
            add_key(&list, profile_text(profile, key));
        uses[key] = false;
    }
    mem_free(uses);
    return list.count;
}

void by_label_print(const struct by_label *table, uint32_t row_limit, struct buf *out)
{
    if (table->row_count == 0)
        return;
    buf_printf(out, "%s:\n", table->key);
    uint32_t shown = row_limit < table->row_count ? row_limit : table->row_count;
    for (uint32_t i = 0; i < shown; i++) {
        const struct by_label_row *row = &table->rows[i];
        row_append_sum(table->filter, row->sum, out);
        buf_printf(out, "  %s\n", row->value == NULL ? "(without)" : row->value);
    }
    row_append_rest(table->value_count - shown, out);
}

void by_label_write_json(const struct by_label *table, struct json_writer *json, const char *name)
{
    json_open_object(json, name);
    json_write_string(json, "key", table->key);
    json_write_integer(json, "values", table->value_count);
    json_open_array(json, "rows");
    for (uint32_t i = 0; i < table->row_count; i++) {
        const struct by_label_row *row = &table->rows[i];
        json_open_object(json, NULL);
        json_write_string(json, "value", row->value);
        json_write_integer(json, "sum", row->sum);
        if (table->filter->total != 0)
            json_write_number(json, "share", value_share(row->sum, table->filter->total));
        json_write_integer(json, "samples", row->sample_count);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
