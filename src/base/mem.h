/* mem.h: memory that is always there, and arenas.
 *
 * Running out of memory ends the process with a message, so no caller checks for NULL. Every size that a client
 * sends is bounded before it gets here. [any] */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/bytes.h"
#include "base/check.h"

#include <stddef.h>

/* Zeroed memory. Size 0 gives a pointer that may be freed. */
void *mem_alloc(size_t size);
/* Zeroed array; a product that overflows ends the process like any other impossible size. */
void *mem_alloc_array(size_t count, size_t size);
/* As realloc: what is beyond the old size is not zeroed. */
void *mem_realloc(void *memory, size_t size);
void mem_free(void *memory);
/* A copy with a NUL behind it; the caller frees it with mem_free. */
char *mem_copy_string(const char *string);
char *mem_copy_bytes(struct bytes bytes);
/* printf into memory of its own; the caller frees it with mem_free. */
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2);

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

/* An arena: memory that is given back all at once, as for one request. One thread at a time.
 * Blocks grow from 4 KiB; what is larger gets a block of its own. */
struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out since init or reset */
};

void arena_init(struct arena *arena);
/* Frees all but one ordinary block, for the next round. */
void arena_reset(struct arena *arena);
void arena_deinit(struct arena *arena);
/* Zeroed, aligned for any type, valid until reset or deinit. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
char *arena_copy_bytes(struct arena *arena, struct bytes bytes);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
