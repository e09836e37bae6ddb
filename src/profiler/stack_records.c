/* stack_records.c: a hash table whose chains only ever grow at the front, and records cut one after another from a
 * mapping. */
#include "profiler/stack_records.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define BUCKET_COUNT 16384u

/* Room for more than 100,000 stacks. Only what is used becomes resident. */
#define CAPACITY_MAX ((size_t)64 << 20)
#define CAPACITY_MIN ((size_t)1 << 20)

struct stack_records_memory {
    size_t capacity;       /* of all, this struct included */
    _Atomic uint64_t used; /* grows beyond the capacity when that is reached */
    _Atomic uint64_t count;
    struct stack_record *_Atomic buckets[BUCKET_COUNT];
};

/* Less where address space is short (ulimit -v); NULL: there is none. */
static struct stack_records_memory *map_memory(void)
{
    for (size_t capacity = CAPACITY_MAX; capacity >= CAPACITY_MIN; capacity /= 2) {
        void *memory = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            continue;
        struct stack_records_memory *made = memory;
        made->capacity = capacity;
        atomic_init(&made->used, sizeof *made);
        return made;
    }
    return NULL;
}

static struct stack_records_memory *memory_of(struct stack_records *records)
{
    struct stack_records_memory *memory = atomic_load_explicit(&records->memory, memory_order_acquire);
    if (memory)
        return memory;
    struct stack_records_memory *made = map_memory();
    if (!made)
        return NULL;
    if (atomic_compare_exchange_strong(&records->memory, &memory, made))
        return made;
    munmap(made, made->capacity); /* another thread was first */
    return memory;
}

static struct stack_record *find(struct stack_record *record, uint64_t hash, const struct stack_key *key)
{
    for (; record; record = record->next)
        if (record->hash == hash && stack_key_equal(&record->key, key))
            return record;
    return NULL;
}

/* NULL: full. */
static struct stack_record *append(struct stack_records_memory *memory, uint64_t hash, const struct stack_key *key)
{
    size_t pcs_bytes = key->depth * sizeof *key->pcs, size = sizeof(struct stack_record) + pcs_bytes;
    uint64_t offset = atomic_fetch_add_explicit(&memory->used, size, memory_order_relaxed);
    if (offset + size > memory->capacity)
        return NULL;
    struct stack_record *record = (struct stack_record *)((char *)memory + offset);
    record->hash = hash;
    record->key = *key;
    record->key.pcs = (uintptr_t *)(record + 1);
    if (pcs_bytes > 0)
        memcpy(record + 1, key->pcs, pcs_bytes);
    return record;
}

static struct stack_record *rest_of(struct stack_records *records)
{
    atomic_fetch_add_explicit(&records->rest_count, 1, memory_order_relaxed);
    return &records->rest;
}

struct stack_record *stack_records_find(struct stack_records *records, const struct stack_key *key)
{
    struct stack_records_memory *memory = memory_of(records);
    if (!memory)
        return rest_of(records);
    uint64_t hash = stack_key_hash(key);
    struct stack_record *_Atomic *bucket = &memory->buckets[hash % BUCKET_COUNT];
    struct stack_record *first = atomic_load_explicit(bucket, memory_order_acquire);
    struct stack_record *found = find(first, hash, key);
    if (found)
        return found;
    struct stack_record *record = append(memory, hash, key);
    if (!record)
        return rest_of(records);
    do {
        record->next = first;
        if (atomic_compare_exchange_strong_explicit(bucket, &first, record, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            atomic_fetch_add_explicit(&memory->count, 1, memory_order_relaxed);
            return record;
        }
        found = find(first, hash, key); /* another thread's: then the memory of this one stays unused */
    } while (!found);
    return found;
}

void stack_records_visit(struct stack_records *records, stack_record_visit_fn visit, void *context)
{
    struct stack_records_memory *memory = atomic_load_explicit(&records->memory, memory_order_acquire);
    for (unsigned i = 0; memory && i < BUCKET_COUNT; i++) {
        const struct stack_record *record = atomic_load_explicit(&memory->buckets[i], memory_order_acquire);
        for (; record; record = record->next)
            visit(record, context);
    }
    if (atomic_load_explicit(&records->rest_count, memory_order_relaxed) > 0)
        visit(&records->rest, context);
}

uint64_t stack_records_count(struct stack_records *records)
{
    struct stack_records_memory *memory = atomic_load_explicit(&records->memory, memory_order_acquire);
    uint64_t count = memory ? atomic_load_explicit(&memory->count, memory_order_relaxed) : 0;
    return count + (atomic_load_explicit(&records->rest_count, memory_order_relaxed) > 0);
}

uint64_t stack_records_bytes(struct stack_records *records)
{
    struct stack_records_memory *memory = atomic_load_explicit(&records->memory, memory_order_acquire);
    if (!memory)
        return 0;
    uint64_t used = atomic_load_explicit(&memory->used, memory_order_relaxed);
    return used < memory->capacity ? used : memory->capacity;
}
