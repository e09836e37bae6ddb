/* symbols.h: from addresses of this process to functions, files and lines.
 *
 * A place in code is looked up in its object's file once: what was found is kept, so that the next profile of the same
 * stacks opens no file. The files themselves are closed with the last holder: debug information takes several times the
 * memory of an idle broker, and kept for the next profile it would be the largest part of a heap profile. An object
 * that was unloaded stays known under the epochs in which it was mapped, so a stack that was taken then still gets its
 * names. Reading files takes time: call this off the loops. Locks inside. [any] */
#ifndef PROFILER_SYMBOLS_H
#define PROFILER_SYMBOLS_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct symbols;

/* Inlined functions at one address, at most: deeper ones lose their outermost callers. */
#define SYMBOL_INLINE_MAX 32

/* Places that are kept while nobody holds names: with 150 bytes each some 1.2 MB, and a broker under load has some
 * hundreds in its profiles. Beyond, all are forgotten and looked up anew. */
#define SYMBOL_PLACES_KEPT 8192

/* The texts live until symbols_release. */
struct symbol_frame {
    const char *function; /* never NULL; "[libfoo.so+0x1234]" where the object has no name for it */
    const char *file;     /* as it was given to the compiler; "" if unknown */
    uint32_t line;        /* 0 if unknown */
    uint32_t start_line;  /* of the function; 0 if unknown */
};

/* One object where it is, or was, mapped. Lives as long as the symbols. */
struct symbol_object {
    const char *path, *build_id; /* build_id: lower-case hex, "" if it has none */
    const char *base_name;       /* within path */
    uintptr_t text_start, text_end;
    uint64_t text_file_offset;
    bool has_lines; /* files, lines and inlined functions are known */
};

/* One place in code. Lives until symbols_release. */
struct symbol_place {
    const struct symbol_object *object;
    uintptr_t address;
    uintptr_t entry;      /* where its function starts; the address itself where that is not known */
    uint32_t frame_count; /* at least 1: a function without a name has a made-up one */
    struct symbol_frame frames[]; /* innermost inlined function first */
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

/* What is known of a place, of a stack that was taken in this epoch: of a return address pass the byte before it, which
 * lies in the call. NULL: no object was ever seen there. Between acquire and release. */
const struct symbol_place *symbols_place(struct symbols *symbols, uint32_t epoch, uintptr_t address);
/* The program itself. Between acquire and release. */
const struct symbol_object *symbols_program(struct symbols *symbols);

struct symbols_stats {
    uint64_t file_count;  /* object files that were opened since the beginning */
    uint32_t place_count; /* kept now */
    size_t held_bytes;    /* by them */
};
struct symbols_stats symbols_stats(struct symbols *symbols);

#endif
