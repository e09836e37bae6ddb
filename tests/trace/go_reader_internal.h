/* go_reader_internal.h: what the readers of both formats are made of. */
#ifndef TESTS_TRACE_GO_READER_INTERNAL_H
#define TESTS_TRACE_GO_READER_INTERNAL_H

#include "go_reader.h"

#include "base/check.h"
#include "base/mem.h"

#include <setjmp.h>
#include <uthash.h>

#define GO_HEADER_BYTES 16
#define NONE UINT64_MAX

struct map_entry {
    uint64_t key;
    void *value;
    UT_hash_handle hh;
};

struct reader {
    const uint8_t *start, *at, *end;
    struct go_reader_counts *counts;
    bool last_of_equals; /* of events of the same time; Go takes any */
    struct arena arena;
    struct map_entry **maps[32]; /* to be cleared */
    unsigned map_count;
    jmp_buf refused;
    char fault[256];
};

/* Ends the check. */
NORETURN void refuse(struct reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);
uint64_t read_varint(struct reader *reader);
struct bytes read_bytes(struct reader *reader, uint64_t size);

/* Of pointers, by numbers. The map is remembered by its address until the check is over. */
void *map_get(struct map_entry *const *map, uint64_t key);
void map_put(struct reader *reader, struct map_entry **map, uint64_t key, void *value);
void map_delete(struct map_entry **map, uint64_t key);

struct go_frame {
    uint64_t pc, function, file, line;
};
struct go_stack {
    uint64_t count;
    struct go_frame *frames;
};

/* An array that grows, in the arena. */
void *list_grow(struct reader *reader, void *items, size_t count, size_t item_size);

/* What is open in a task: name and request. */
struct go_region {
    uint64_t request, begun;
    struct bytes name;
    struct go_region *outer;
};

void go_reader_v1(struct reader *reader);
void go_reader_v2(struct reader *reader);

#endif
