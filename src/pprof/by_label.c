/* by_label.c: sums by the text of one label. */
#include "pprof/by_label.h"

#include "pprof/heaviest.h"
#include "pprof/measure.h"
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

static void count(struct by_label_row *row, int64_t value)
{
    row->sum = value_add(row->sum, value);
    row->sample_count++;
}

/* rows, by string, get what each text has; *without, what has none. */
static void add_up(const struct filter *filter, uint32_t key, struct by_label_row *rows, struct by_label_row *without)
{
    const struct profile *profile = filter->profile;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        int64_t value = filter_value(filter, i);
        if (value == 0 || !filter_keeps(filter, i))
            continue;
        bool has_label = false;
        const struct profile_sample *sample = &profile->samples[i];
        for (uint32_t j = 0; j < sample->label_count; j++) {
            const struct profile_label *label = &profile->sample_labels[sample->label_start + j];
            if (label->key != key || label->text == 0)
                continue;
            has_label = true;
            count(&rows[label->text], value);
        }
        if (!has_label)
            count(without, value);
    }
}

void by_label_init(struct by_label *table, const struct filter *filter, const char *key)
{
    *table = (struct by_label){.filter = filter, .key = key};
    arena_init(&table->arena);
    const struct profile *profile = filter->profile;
    uint32_t key_string = profile_find_string(profile, key);
    if (key_string == 0)
        return;
    struct by_label_row *rows = mem_alloc_array(profile->string_count, sizeof(*rows)), without = {0};
    add_up(filter, key_string, rows, &without);
    table->rows = arena_alloc_array(&table->arena, BY_LABEL_ROWS_MAX, sizeof(*table->rows));
    struct heaviest heaviest = {.rows = table->rows, .row_size = sizeof(*rows), .capacity = BY_LABEL_ROWS_MAX,
                                .compare = compare_rows};
    for (uint32_t i = 0; i < profile->string_count; i++) {
        if (rows[i].sample_count == 0)
            continue;
        rows[i].value = profile_text(profile, i);
        table->value_count++;
        heaviest_offer(&heaviest, &rows[i]);
    }
    if (table->value_count > 0 && without.sample_count > 0) {
        table->value_count++;
        heaviest_offer(&heaviest, &without);
    }
    table->row_count = heaviest.count;
    mem_free(rows);
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
    for (uint32_t i = 0; i < profile->sample_label_count; i++)
        uses[profile->sample_labels[i].key] |= profile->sample_labels[i].text != 0;
    uses[profile_find_string(profile, FILTER_BASE_LABEL)] = false;
    for (size_t i = 0; i < ARRAY_COUNT(first); i++) {
        uint32_t key = profile_find_string(profile, first[i]);
        if (uses[key])
            add_key(&list, first[i]);
        uses[key] = false;
    }
    for (uint32_t i = 0; i < profile->sample_label_count; i++) {
        uint32_t key = profile->sample_labels[i].key;
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
        char sum[128], share[32];
        measure_format(row->sum, table->filter->unit, MEASURE_BEST_UNIT, sum, sizeof(sum));
        measure_percentage(row->sum, table->filter->total, share, sizeof(share));
        buf_printf(out, "%10s %s  %s\n", sum, share, row->value == NULL ? "(without)" : row->value);
    }
    if (shown < table->value_count)
        buf_printf(out, "%10s %6s  and %u more\n", "", "", table->value_count - shown);
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
