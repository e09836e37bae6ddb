/* symbols.h: from addresses of this process to functions, files and lines, and from stacks to a profile's locations.
 *
 * An object's file is read when an address in it is met first, and closed with the last holder: debug information
 * takes several times the memory of an idle broker, and milliseconds to read again. An object that was unloaded stays
 * known under the epochs in which it was mapped, so a stack that was taken then still gets its names. Reading files
 * takes time: call this off the loops. Locks inside. [any] */
#ifndef PROFILER_SYMBOLS_H
#define PROFILER_SYMBOLS_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct profile;
struct symbols;
struct symbol_writer;

/* Inlined functions at one address, at most: deeper ones lose their outermost callers. */
#define SYMBOL_INLINE_MAX 32

/* The texts live until symbols_release. */
struct symbol_frame {
    const char *function; /* never NULL; "[libfoo.so+0x1234]" where the object has no name for it */
    const char *file;     /* as it was given to the compiler; "" if unknown */
    uint32_t line;        /* 0 if unknown */
    uint32_t start_line;  /* of the function; 0 if unknown */
};

struct symbols *symbols_create(void);
/* No holder may be left. */
void symbols_destroy(struct symbols *symbols);

/* Names are there between these two; any number of holders. */
void symbols_acquire(struct symbols *symbols);
void symbols_release(struct symbols *symbols);

/* Look at what is mapped now. The number grows whenever something was loaded or unloaded; a stack that was walked
 * before the call belongs to the epoch that it returns. Cheap while nothing changes, and never waits for files. */
uint32_t symbols_epoch(struct symbols *symbols);
/* What it returned last, without looking and without a lock: also for whoever may be inside of the loader. A stack
 * through something that was loaded since then still gets its names. [signal] */
uint32_t symbols_epoch_seen(const struct symbols *symbols);

/* Frames at an address as the process is mapped now, innermost inlined function first; how many. A return address is
 * looked up one byte earlier, in the call. 0: no object is mapped there. Between acquire and release. */
unsigned symbols_resolve(struct symbols *symbols, uintptr_t address, bool is_return_address,
                         struct symbol_frame *frames, unsigned capacity);

/* A writer puts stacks into one profile: it adds mappings (the program's first), functions and locations, each once.
 * It holds the symbols. One thread at a time; symbols and profile outlive it. */
struct symbol_writer *symbol_writer_create(struct symbols *symbols, struct profile *profile);
void symbol_writer_destroy(struct symbol_writer *writer);
/* A location id for each pc: the first is where the thread stood, the others are return addresses (the first too, if
 * leaf_is_return_address: a parked task). */
void symbol_writer_stack(struct symbol_writer *writer, uint32_t epoch, const uintptr_t *pcs, unsigned depth,
                         bool leaf_is_return_address, uint32_t *locations);
/* The location of a function that exists in no object, such as "[lost samples]". */
uint32_t symbol_writer_named(struct symbol_writer *writer, const char *function);

#endif
