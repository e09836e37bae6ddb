/* stack_table.c: entries in one array, pcs in an arena, found by open addressing. */
#include "profiler/stack_table.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY UINT32_MAX

struct stack_table {
    struct stack_entry *entries;
    uint64_t *hashes; /* of each entry */
    uint32_t *slots;  /* entry numbers by hash; at most half of them full */
    uint32_t entry_count, entry_capacity, slot_count;
    unsigned value_count;
    struct arena pcs;
};

bool stack_entry_is_zero(const struct stack_entry *entry)
{
    for (unsigned i = 0; i < STACK_VALUES_MAX; i++)
        if (entry->values[i] != 0)
            return false;
    return true;
}

static void resize(struct stack_table *table, uint32_t slot_count)
{
    mem_free(table->slots);
    table->slot_count = slot_count;
    table->slots = mem_alloc_array(slot_count, sizeof *table->slots);
    memset(table->slots, 0xff, slot_count * sizeof *table->slots);
    for (uint32_t i = 0; i < table->entry_count; i++) {
        uint32_t slot = (uint32_t)table->hashes[i] & (slot_count - 1);
        while (table->slots[slot] != EMPTY)
            slot = (slot + 1) & (slot_count - 1);
        table->slots[slot] = i;
    }
    table->entry_capacity = slot_count / 2;
    table->entries = mem_realloc(table->entries, table->entry_capacity * sizeof *table->entries);
    table->hashes = mem_realloc(table->hashes, table->entry_capacity * sizeof *table->hashes);
}

struct stack_table *stack_table_create(unsigned value_count)
{
    ASSERT(value_count > 0 && value_count <= STACK_VALUES_MAX);
    struct stack_table *table = MEM_NEW(struct stack_table);
    table->value_count = value_count;
    arena_init(&table->pcs);
    resize(table, 256);
    return table;
}

struct stack_table *stack_table_copy(const struct stack_table *table)
{
    struct stack_table *copy = MEM_NEW(struct stack_table);
    copy->value_count = table->value_count;
    arena_init(&copy->pcs);
    copy->entries = mem_alloc_array(table->entry_capacity, sizeof *copy->entries);
    copy->hashes = mem_alloc_array(table->entry_capacity, sizeof *copy->hashes);
    memcpy(copy->entries, table->entries, table->entry_count * sizeof *copy->entries);
    memcpy(copy->hashes, table->hashes, table->entry_count * sizeof *copy->hashes);
    copy->entry_count = table->entry_count;
    resize(copy, table->slot_count);
    return copy;
}

void stack_table_destroy(struct stack_table *table)
{
    if (!table)
        return;
    arena_deinit(&table->pcs);
    mem_free(table->entries);
    mem_free(table->hashes);
    mem_free(table->slots);
    mem_free(table);
}

/* The finisher of MurmurHash3 over each word: addresses differ in few bits. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0xff51afd7ed558ccdull;
    return hash ^ hash >> 33;
}

uint64_t stack_key_hash(const struct stack_key *key)
{
    uint64_t hash = mix(key->depth, key->epoch);
    hash = mix(hash, (uintptr_t)key->function);
    hash = mix(hash, (uint64_t)key->number);
    hash = mix(hash, key->is_parked);
    for (int i = 0; i < LABEL_KEY_COUNT; i++)
        hash = mix(hash, (uintptr_t)key->labels[i]);
    for (uint32_t i = 0; i < key->depth; i++)
        hash = mix(hash, key->pcs[i]);
    return hash;
}

bool stack_key_equal(const struct stack_key *a, const struct stack_key *b)
{
    return a->epoch == b->epoch && a->depth == b->depth && a->function == b->function && a->number == b->number &&
           a->is_parked == b->is_parked && memcmp(a->labels, b->labels, sizeof a->labels) == 0 &&
           (a->depth == 0 || memcmp(a->pcs, b->pcs, a->depth * sizeof *a->pcs) == 0);
}

static struct stack_entry *find_or_add(struct stack_table *table, const struct stack_key *key)
{
    uint64_t hash = stack_key_hash(key);
    uint32_t mask = table->slot_count - 1, slot = (uint32_t)hash & mask;
    for (; table->slots[slot] != EMPTY; slot = (slot + 1) & mask) {
        uint32_t i = table->slots[slot];
        if (table->hashes[i] == hash && stack_key_equal(&table->entries[i].key, key))
            return &table->entries[i];
    }
    if (table->entry_count == table->entry_capacity) {
        resize(table, table->slot_count * 2);
        return find_or_add(table, key);
    }
    struct stack_entry *entry = &table->entries[table->entry_count];
    *entry = (struct stack_entry){.key = *key};
    uintptr_t *pcs = arena_alloc_array(&table->pcs, key->depth, sizeof *pcs);
    if (key->depth > 0)
        memcpy(pcs, key->pcs, key->depth * sizeof *pcs);
    entry->key.pcs = pcs;
    table->slots[slot] = table->entry_count;
    table->hashes[table->entry_count++] = hash;
    return entry;
}

void stack_table_add(struct stack_table *table, const struct stack_key *key, const int64_t *values)
{
    struct stack_entry *entry = find_or_add(table, key);
    for (unsigned i = 0; i < table->value_count; i++)
        entry->values[i] += values[i];
}

size_t stack_table_count(const struct stack_table *table)
{
    return table->entry_count;
}

void stack_table_subtract(struct stack_table *table, const struct stack_table *before, unsigned levels)
{
    for (uint32_t i = 0; i < before->entry_count; i++) {
        int64_t negated[STACK_VALUES_MAX];
        for (unsigned column = 0; column < table->value_count; column++)
            negated[column] = levels & 1u << column ? 0 : -before->entries[i].values[column];
        stack_table_add(table, &before->entries[i].key, negated);
    }
}

void stack_table_raise_to_zero(struct stack_table *table)
{
    for (uint32_t i = 0; i < table->entry_count; i++)
        for (unsigned column = 0; column < table->value_count; column++)
            if (table->entries[i].values[column] < 0)
                table->entries[i].values[column] = 0;
}

/* Texts by what they say: where they lie differs from run to run. */
static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* The last column first: it is what a profile is about, time or bytes in use. */
static int compare_values(const struct stack_entry *a, const struct stack_entry *b)
{
    for (unsigned i = STACK_VALUES_MAX; i-- > 0;)
        if (a->values[i] != b->values[i])
            return a->values[i] > b->values[i] ? -1 : 1;
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct stack_entry *left = a, *right = b;
    const struct stack_key *x = &left->key, *y = &right->key;
    int order = compare_values(left, right);
    if (order != 0)
        return order;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    for (uint32_t i = 0; i < x->depth; i++)
        if (x->pcs[i] != y->pcs[i])
            return x->pcs[i] < y->pcs[i] ? -1 : 1;
    order = compare_texts(x->function, y->function);
    for (int i = 0; i < LABEL_KEY_COUNT && order == 0; i++)
        order = compare_texts(x->labels[i], y->labels[i]);
    if (order == 0)
        order = (x->number > y->number) - (x->number < y->number);
    if (order == 0)
        order = x->is_parked - y->is_parked;
    return order ? order : (x->epoch > y->epoch) - (x->epoch < y->epoch);
}

/* Sorting moves the entries, so they are found anew afterwards. */
static void rehash(struct stack_table *table)
{
    for (uint32_t i = 0; i < table->entry_count; i++)
        table->hashes[i] = stack_key_hash(&table->entries[i].key);
    resize(table, table->slot_count);
}

const struct stack_entry *stack_table_sort(struct stack_table *table, size_t *count)
{
    qsort(table->entries, table->entry_count, sizeof *table->entries, compare_entries);
    rehash(table);
    *count = table->entry_count;
    return table->entries;
}
