/* mem.c: malloc that ends the process instead of failing, and arenas on top of it. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENA_BLOCK_BYTES 4096u

struct arena_block {
    struct arena_block *next;
    size_t capacity, used;
    alignas(max_align_t) uint8_t data[];
};

static NORETURN void out_of_memory(size_t size)
{
    /* No stdio: it may want memory too. */
    char text[96];
    int length = snprintf(text, sizeof text, "out of memory: %zu more bytes were refused\n", size);
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(71);
    abort();
}

static size_t product(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    return total;
}

void *mem_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        out_of_memory(size);
    return memory;
}

void *mem_alloc_array(size_t count, size_t size)
{
    return mem_alloc(product(count, size));
}

void *mem_realloc(void *memory, size_t size)
{
    void *moved = realloc(memory, size ? size : 1);
    if (!moved)
        out_of_memory(size);
    return moved;
}

void mem_free(void *memory)
{
    free(memory);
}

char *mem_copy_bytes(struct bytes bytes)
{
    char *copy = mem_alloc(bytes.size + 1);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

char *mem_copy_string(const char *string)
{
    return mem_copy_bytes(bytes_of_string(string));
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        out_of_memory(strlen(format));
    return text;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = NULL, *next;
    for (struct arena_block *block = arena->blocks; block; block = next) {
        next = block->next;
        if (!kept && block->capacity == ARENA_BLOCK_BYTES)
            kept = block;
        else
            mem_free(block);
    }
    if (kept) {
        kept->next = NULL;
        kept->used = 0;
    }
    *arena = (struct arena){.blocks = kept};
}

void arena_deinit(struct arena *arena)
{
    free_blocks(arena->blocks);
    *arena = (struct arena){0};
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        out_of_memory(size);
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *block = arena->blocks;

    if (!block || block->capacity - block->used < rounded) {
        size_t capacity = rounded > ARENA_BLOCK_BYTES ? rounded : ARENA_BLOCK_BYTES;
        /* Not mem_alloc: what is handed out is zeroed below, and a block is often used in part. */
        struct arena_block *fresh = malloc(sizeof *fresh + capacity);
        if (!fresh)
            out_of_memory(capacity);
        *fresh = (struct arena_block){.capacity = capacity};
        if (block && capacity > ARENA_BLOCK_BYTES) { /* keep the block that still has room in front */
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            arena->blocks = fresh;
        }
        block = fresh;
    }
    void *memory = block->data + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    memset(memory, 0, rounded);
    return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    return arena_alloc(arena, product(count, size));
}

char *arena_copy_bytes(struct arena *arena, struct bytes bytes)
{
    char *copy = arena_alloc(arena, bytes.size + 1);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
