/* symbol_writer.h: from stacks to a profile's mappings, functions and locations, each added once. */
#ifndef PROFILER_SYMBOL_WRITER_H
#define PROFILER_SYMBOL_WRITER_H

#include <stdbool.h>
#include <stdint.h>

struct profile;
struct symbols;
struct symbol_writer;

/* Adds the program's mapping, which must be the first. Holds the symbols while it lives. One thread at a time; symbols
 * and profile outlive it. */
struct symbol_writer *symbol_writer_create(struct symbols *symbols, struct profile *profile);
void symbol_writer_destroy(struct symbol_writer *writer);
/* A location id for each pc: the first is where the thread stood, the others are return addresses (the first too, if
 * leaf_is_return_address: a parked task). */
void symbol_writer_stack(struct symbol_writer *writer, uint32_t epoch, const uintptr_t *pcs, unsigned depth,
                         bool leaf_is_return_address, uint32_t *locations);
/* The location of a function that exists in no object, such as "[lost samples]". */
uint32_t symbol_writer_named(struct symbol_writer *writer, const char *function);

#endif
