/* by_label.c: sums by the text of one label. */
#include "pprof/by_label.h"

#include "pprof/measure.h"
#include "pprof/pair_map.h"

#include <stdlib.h>

static int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b); /* hostile values wrap, as in Go */
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static int compare_rows(const void *left, const void *right)
{
    const struct by_label_row *a = left, *b = right;
    if (magnitude(a->sum) != magnitude(b->sum))
        return magnitude(a->sum) > magnitude(b->sum) ? -1 : 1;
    if (a->value == NULL || b->value == NULL)
        return (a->value == NULL) - (b->value == NULL);
    return strcmp(a->value, b->value);
}

static void count(struct by_label_row *row, int64_t value)
{
    row->sum = add(row->sum, value);
    row->sample_count++;
}

/* The row of a text. row_of has its position plus one, by string. */
static struct by_label_row *row_for(struct by_label *table, uint32_t *row_of, uint32_t text)
{
    if (row_of[text] == 0) {
        row_of[text] = ++table->row_count;
        table->rows[table->row_count - 1].value = profile_text(table->filter->profile, text);
    }
    return &table->rows[row_of[text] - 1];
}

/* How many texts there may be, at most; 0 if no sample has the label. */
static uint32_t count_texts(const struct profile *profile, uint32_t key)
{
    uint32_t uses = 0;
    for (uint32_t i = 0; i < profile->sample_label_count; i++)
        uses += profile->sample_labels[i].key == key && profile->sample_labels[i].text != 0;
    return uses < profile->string_count ? uses : profile->string_count;
}

static uint32_t find_key(const struct profile *profile, const char *key)
{
    for (uint32_t i = 1; i < profile->string_count; i++) {
        if (strcmp(profile_text(profile, i), key) == 0)
            return i;
    }
    return 0;
}

void by_label_init(struct by_label *table, const struct filter *filter, const char *key)
{
    *table = (struct by_label){.filter = filter, .key = key};
    arena_init(&table->arena);
    const struct profile *profile = filter->profile;
    uint32_t key_string = find_key(profile, key), rows_max = count_texts(profile, key_string);
    if (key_string == 0 || rows_max == 0)
        return;
    table->rows = arena_alloc_array(&table->arena, (size_t)rows_max + 1, sizeof(*table->rows));
    uint32_t *row_of = mem_alloc_array(profile->string_count, sizeof(*row_of));
    struct by_label_row without = {0};
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        int64_t value = filter_value(filter, i);
        if (value == 0 || !filter_keeps(filter, i))
            continue;
        bool has_label = false;
        const struct profile_sample *sample = &profile->samples[i];
        for (uint32_t j = 0; j < sample->label_count; j++) {
            const struct profile_label *label = &profile->sample_labels[sample->label_start + j];
            if (label->key != key_string || label->text == 0)
                continue;
            has_label = true;
            count(row_for(table, row_of, label->text), value);
        }
        if (!has_label)
            count(&without, value);
    }
    mem_free(row_of);
    if (table->row_count > 0 && without.sample_count > 0)
        table->rows[table->row_count++] = without;
    if (table->row_count > 0)
        qsort(table->rows, table->row_count, sizeof(*table->rows), compare_rows);
}

void by_label_deinit(struct by_label *table)
{
    arena_deinit(&table->arena);
}

/* The sample's text for a label; of several the last. 0: it has none. */
static uint32_t text_of(const struct profile *profile, const struct profile_sample *sample, uint32_t key)
{
    uint32_t text = 0;
    for (uint32_t i = 0; i < sample->label_count; i++) {
        const struct profile_label *label = &profile->sample_labels[sample->label_start + i];
        text = label->key == key && label->text != 0 ? label->text : text;
    }
    return text;
}

static void add_to_pair(struct pair_map *places, struct buf *pairs, const struct profile *profile,
                        const uint32_t texts[2], int64_t value)
{
    uint32_t count = (uint32_t)(pairs->size / sizeof(struct by_label_pair));
    uint32_t place = pair_map_find_or_add(places, texts[0], texts[1], count);
    if (place == count) {
        struct by_label_pair pair = {.first = profile_text(profile, texts[0]),
                                     .second = profile_text(profile, texts[1])};
        buf_append(pairs, &pair, sizeof(pair));
    }
    struct by_label_pair *pair = (struct by_label_pair *)(void *)pairs->data + place;
    pair->sum = add(pair->sum, value);
}

bool by_label_largest_pair(const struct filter *filter, const char *first_key, const char *second_key,
                           struct by_label_pair *largest)
{
    const struct profile *profile = filter->profile;
    uint32_t keys[] = {find_key(profile, first_key), find_key(profile, second_key)};
    if (keys[0] == 0 || keys[1] == 0)
        return false;
    struct pair_map places = {0};
    struct buf pairs;
    buf_init(&pairs);
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        uint32_t texts[] = {text_of(profile, sample, keys[0]), text_of(profile, sample, keys[1])};
        if (texts[0] != 0 && texts[1] != 0 && filter_keeps(filter, i))
            add_to_pair(&places, &pairs, profile, texts, filter_value(filter, i));
    }
    size_t count = pairs.size / sizeof(struct by_label_pair);
    const struct by_label_pair *list = (const struct by_label_pair *)(void *)pairs.data;
    *largest = (struct by_label_pair){0};
    for (size_t i = 0; i < count; i++)
        *largest = list[i].sum > largest->sum ? list[i] : *largest;
    buf_deinit(&pairs);
    pair_map_deinit(&places);
    return count > 1 && largest->sum > 0;
}

size_t by_label_keys(const struct profile *profile, const char **keys, size_t capacity)
{
    size_t key_count = 0;
    bool *seen = mem_alloc_array(profile->string_count, sizeof(*seen));
    for (uint32_t i = 0; i < profile->sample_label_count; i++) {
        const struct profile_label *label = &profile->sample_labels[i];
        const char *key = profile_text(profile, label->key);
        if (seen[label->key] || label->text == 0 || strcmp(key, FILTER_BASE_LABEL) == 0)
            continue;
        seen[label->key] = true;
        if (key_count < capacity)
            keys[key_count] = key;
        key_count++;
    }
    mem_free(seen);
    return key_count;
}

void by_label_print(const struct by_label *table, uint32_t row_limit, struct buf *out)
{
    if (table->row_count == 0)
        return;
    buf_printf(out, "%s:\n", table->key);
    for (uint32_t i = 0; i < table->row_count && (row_limit == 0 || i < row_limit); i++) {
        const struct by_label_row *row = &table->rows[i];
        char sum[128], share[32];
        measure_format(row->sum, table->filter->unit, MEASURE_BEST_UNIT, sum, sizeof(sum));
        measure_percentage(row->sum, table->filter->total, share, sizeof(share));
        buf_printf(out, "%10s %s  %s\n", sum, share, row->value == NULL ? "(without)" : row->value);
    }
    if (row_limit > 0 && row_limit < table->row_count)
        buf_printf(out, "%10s %6s  and %u more\n", "", "", table->row_count - row_limit);
}

void by_label_write_json(const struct by_label *table, struct json *json, const char *name)
{
    json_open_object(json, name);
    json_string(json, "key", table->key);
    json_open_array(json, "rows");
    for (uint32_t i = 0; i < table->row_count; i++) {
        const struct by_label_row *row = &table->rows[i];
        json_open_object(json, NULL);
        json_string(json, "value", row->value);
        json_integer(json, "sum", row->sum);
        if (table->filter->total != 0)
            json_number(json, "share", (double)row->sum / (double)table->filter->total);
        json_integer(json, "samples", row->sample_count);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
