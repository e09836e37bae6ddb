/* object.h: one ELF file as a source of names.
 *
 * From the best that there is: DWARF, else .symtab, else .dynsym; of the file itself or of its separate debug file
 * (/usr/lib/debug/.build-id). Where no symbol fits, .eh_frame_hdr still tells where the function starts. A file that
 * cannot be read gives an object without names, never an error. One thread at a time. */
#ifndef PROFILER_OBJECT_H
#define PROFILER_OBJECT_H

#include "profiler/dwarf_index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object;

/* Names live as long as the object. build_id: lower-case hex that the file must have, "": it has none. */
struct object *object_open(const char *path, const char *build_id);
/* An image in memory, such as the vdso; it stays the caller's and outlives the object. */
struct object *object_open_memory(const void *image, size_t size);
void object_close(struct object *object);

/* Files, lines and inlined functions are known. */
bool object_has_lines(const struct object *object);

/* Frames at an address of the file, innermost first, each with a function; how many, at most capacity. 0: no symbol
 * holds it. */
unsigned object_find(struct object *object, uint64_t address, struct dwarf_frame *frames, unsigned capacity);
/* Where the function starts that holds this address, as far as the unwind tables tell; else the address itself. */
uint64_t object_function_start(const struct object *object, uint64_t address);
/* The same, but for a symbol that starts the function where there is one. */
uint64_t object_entry(const struct object *object, uint64_t address);

#endif
