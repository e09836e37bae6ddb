/* dwarf_index.h: from an address to the functions it stands in, inlined ones too, and their lines.
 *
 * Of a compilation unit the DIEs are walked once, when an address in it is asked for first: that gives sorted spans,
 * each with its innermost function. libdw's own dwarf_getscopes walks the tree anew for each address, which costs
 * milliseconds where a span costs a binary search. One thread at a time. */
#ifndef PROFILER_DWARF_INDEX_H
#define PROFILER_DWARF_INDEX_H

#include <libelf.h>
#include <stdint.h>

struct dwarf_index;

/* The texts live as long as the index. */
struct dwarf_frame {
    const char *function; /* NULL: the unit tells lines only, as assembly does */
    const char *file;     /* "" if unknown; as it was given to the compiler where that was relative */
    uint32_t line;        /* 0 if unknown */
    uint32_t start_line;  /* where the function is declared; 0 if unknown */
};

/* The ELF stays the caller's and outlives the index. NULL: it holds no DWARF. */
struct dwarf_index *dwarf_index_create(Elf *elf);
void dwarf_index_destroy(struct dwarf_index *index);

/* Frames at an address of the file, innermost first; how many, at most capacity (more are cut). 0: not covered. */
unsigned dwarf_index_find(struct dwarf_index *index, uint64_t address, struct dwarf_frame *frames, unsigned capacity);

#endif
