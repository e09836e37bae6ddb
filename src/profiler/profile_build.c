/* profile_build.c: rows and columns become sample types and samples; names are looked up on the way. */
#include "profiler/profile_build.h"

#include "base/mem.h"
#include "pprof/profile.h"
#include "profiler/collection.h"
#include "profiler/profiler.h"
#include "profiler/symbol_writer.h"
#include "profiler/unwind.h"

static void add_head(struct profile *profile, const struct collection *collection)
{
    const struct profile_type *type = collection->type;
    for (unsigned i = 0; i < type->column_count; i++)
        profile_add_sample_type(profile, type->columns[i].type, type->columns[i].unit);
    if (type->default_column)
        profile->default_sample_type = profile_string(profile, type->default_column);
    profile->period_type.type = profile_string(profile, type->period.type);
    profile->period_type.unit = profile_string(profile, type->period.unit);
    profile->period = collection->period;
    if (type->drop_frames)
        profile->drop_frames = profile_string(profile, type->drop_frames);
    profile->time_ns = collection->time_ns;
    profile->duration_ns = (int64_t)collection->duration_ns;
    profile_add_comment(profile, "takhin " TAKHIN_VERSION);
    for (unsigned i = 0; i < collection->comment_count; i++)
        profile_add_comment(profile, collection->comments[i]);
}

static uint32_t make_labels(struct profile *profile, const struct profile_type *type, const struct stack_key *key,
                            struct profile_label *labels)
{
    uint32_t count = 0;
    for (int i = 0; i < LABEL_KEY_COUNT; i++)
        if (key->labels[i])
            labels[count++] = (struct profile_label){
                .key = profile_string(profile, label_key_name((enum label_key)i)),
                .text = profile_string(profile, key->labels[i]),
            };
    if (key->number != 0)
        labels[count++] = (struct profile_label){
            .key = profile_string(profile, type->number.label),
            .number = key->number,
            .unit = profile_string(profile, type->number.unit ? type->number.unit : ""),
        };
    return count;
}

static void add_sample(struct profile *profile, const struct profile_type *type, struct symbol_writer *writer,
                       const struct stack_entry *entry)
{
    const struct stack_key *key = &entry->key;
    uint32_t locations[UNWIND_DEPTH_MAX], location_count = key->depth;
    if (location_count > 0)
        symbol_writer_stack(writer, key->epoch, key->pcs, key->depth, key->is_parked, locations);
    else if (key->function)
        locations[location_count++] = symbol_writer_named(writer, key->function);
    struct profile_label labels[LABEL_KEY_COUNT + 1];
    uint32_t label_count = make_labels(profile, type, key, labels);
    profile_add_sample(profile, locations, location_count, entry->values, labels, label_count);
}

struct profile *profile_build(const struct collection *collection)
{
    struct profile *profile = profile_create();
    add_head(profile, collection);
    size_t entry_count;
    const struct stack_entry *entries = stack_table_sort(collection->stacks, &entry_count);
    struct symbol_writer *writer = symbol_writer_create(profiler_symbols(collection->profiler), profile);
    for (size_t i = 0; i < entry_count; i++)
        if (!stack_entry_is_zero(&entries[i]))
            add_sample(profile, collection->type, writer, &entries[i]);
    symbol_writer_destroy(writer);
    return profile;
}
