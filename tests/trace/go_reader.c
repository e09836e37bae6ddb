/* go_reader.c: which format it is, and the numbers and maps of both. */
#include "go_reader_internal.h"

#include <stdarg.h>
#include <stdio.h>

void refuse(struct reader *reader, const char *format, ...)
{
    int prefix = snprintf(reader->fault, sizeof reader->fault, "at byte %td: ", reader->at - reader->start);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->fault + prefix, sizeof reader->fault - (size_t)prefix, format, arguments);
    va_end(arguments);
    longjmp(reader->refused, 1);
}

uint64_t read_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (reader->at == reader->end)
            refuse(reader, "truncated");
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    refuse(reader, "a number is too long");
}

struct bytes read_bytes(struct reader *reader, uint64_t size)
{
    if (size > (uint64_t)(reader->end - reader->at))
        refuse(reader, "truncated");
    struct bytes bytes = bytes_of(reader->at, size);
    reader->at += size;
    return bytes;
}

static struct map_entry *find(struct map_entry *const *map, uint64_t key)
{
    struct map_entry *entry, *head = *map;
    HASH_FIND(hh, head, &key, sizeof key, entry);
    return entry;
}

void *map_get(struct map_entry *const *map, uint64_t key)
{
    struct map_entry *entry = find(map, key);
    return entry ? entry->value : NULL;
}

void map_put(struct reader *reader, struct map_entry **map, uint64_t key, void *value)
{
    struct map_entry *entry = find(map, key);
    if (!entry) {
        if (!*map) {
            unsigned known = 0;
            while (known < reader->map_count && reader->maps[known] != map)
                known++;
            ASSERT(known < ARRAY_COUNT(reader->maps));
            reader->maps[known] = map;
            if (known == reader->map_count)
                reader->map_count++;
        }
        entry = arena_alloc(&reader->arena, sizeof *entry);
        entry->key = key;
        HASH_ADD(hh, *map, key, sizeof entry->key, entry);
    }
    entry->value = value;
}

void map_delete(struct map_entry **map, uint64_t key)
{
    struct map_entry *entry = find(map, key);
    if (entry)
        HASH_DEL(*map, entry);
}

void *list_grow(struct reader *reader, void *items, size_t count, size_t item_size)
{
    if (count & (count - 1)) /* room is there for the next power of two */
        return items;
    void *grown = arena_alloc_array(&reader->arena, count ? 2 * count : 1, item_size);
    if (count > 0)
        memcpy(grown, items, count * item_size);
    return grown;
}

static void check(struct reader *reader)
{
    struct bytes header = read_bytes(reader, GO_HEADER_BYTES);
    if (memcmp(header.data, "go 1.19 trace\0\0", GO_HEADER_BYTES) == 0)
        go_reader_v1(reader);
    else if (memcmp(header.data, "go 1.22 trace\0\0", GO_HEADER_BYTES) == 0)
        go_reader_v2(reader);
    else
        refuse(reader, "unknown or unsupported trace version");
}

static void check_once(struct reader *reader, struct bytes file, struct go_reader_counts *counts, bool last_of_equals)
{
    memset(counts, 0, sizeof *counts);
    *reader = (struct reader){.start = file.data, .at = file.data, .end = file.data + file.size, .counts = counts,
                              .last_of_equals = last_of_equals};
    arena_init(&reader->arena);
    if (setjmp(reader->refused) == 0)
        check(reader);
    for (unsigned i = 0; i < reader->map_count; i++)
        HASH_CLEAR(hh, *reader->maps[i]);
    arena_deinit(&reader->arena);
}

const char *go_reader_check(struct bytes file, struct go_reader_counts *counts)
{
    static struct reader reader; /* the fault lives on */
    check_once(&reader, file, counts, false);
    if (!reader.fault[0])
        check_once(&reader, file, counts, true);
    return reader.fault[0] ? reader.fault : NULL;
}
