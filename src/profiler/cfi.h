/* cfi.h: unwind tables (.eh_frame) compiled into sorted rows that a signal handler can search.
 *
 * Sources of the format: DWARF 5 section 6.4 (call frame information), Linux Standard Base 5.0 core, section 10.6
 * (.eh_frame, its augmentations and pointer encodings), System V ABI for AMD64, figure 3.36 (register numbers).
 *
 * Bytes are never trusted: what is malformed or not understood gives rows without a rule, never a read outside. */
#ifndef PROFILER_CFI_H
#define PROFILER_CFI_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

/* How to get from one frame to its caller's. The CFA is the value of rsp before the call; the return address lies just
 * below it. */
enum cfi_kind {
    CFI_NONE,      /* no rule: not code, or one that this table cannot say */
    CFI_ROOT,      /* the return address is undefined: the outermost frame */
    CFI_RSP,       /* CFA = rsp + offset */
    CFI_RBP,       /* CFA = rbp + offset */
    CFI_RBP_DEREF, /* CFA = the word at rbp - offset, saved rbp at rbp: a function that aligned its stack anew */
    CFI_PLT,       /* CFA = rsp + 8, and 8 more once pc % 16 >= offset / 8: an entry of a procedure linkage table */
    CFI_SIGNAL,    /* rsp points at the ucontext_t that the kernel restores: a return from a signal handler */
};

/* A rule in 27 bits, so that a cache can keep one beside 37 bits of an address in a single word: kind in 3 bits,
 * offset / 8 in 15, distance from the CFA down to the saved rbp / 8 in 9 (0: rbp is as in the caller). */
typedef uint32_t cfi_rule;
#define CFI_RULE_BITS 27
#define CFI_OFFSET_MAX (8 * ((1u << 15) - 1))
#define CFI_SAVED_RBP_MAX (8 * ((1u << 9) - 1))

/* A constant expression if its arguments are. */
#define CFI_RULE(kind, offset, saved_rbp) \
    ((cfi_rule)(kind) | (cfi_rule)(offset) / 8 << 3 | (cfi_rule)(saved_rbp) / 8 << 18)
static inline enum cfi_kind cfi_rule_kind(cfi_rule rule)
{
    return (enum cfi_kind)(rule & 7);
}
static inline uint32_t cfi_rule_offset(cfi_rule rule)
{
    return (rule >> 3 & 0x7fff) * 8;
}
static inline uint32_t cfi_rule_saved_rbp(cfi_rule rule)
{
    return (rule >> 18) * 8;
}

/* One rule, from `pc` (relative to the text's start) up to the next row's. */
struct cfi_row {
    uint32_t pc;
    cfi_rule rule;
};

/* Rows of one object after the other. Zero it before the first; free rows with mem_free. */
struct cfi_table {
    struct cfi_row *rows;
    size_t count, capacity;
    uint32_t function_count; /* functions that the rows describe */
};

struct cfi_source {
    struct bytes eh_frame;         /* from its start to at least its end, which a zero word marks */
    uintptr_t address;             /* where it is mapped, which addresses in it are relative to */
    uintptr_t header_address;      /* of .eh_frame_hdr, which some encodings are relative to */
    uintptr_t text_start, text_end; /* functions outside are left out; less than 4 GiB */
};

/* Append the rows of one object, sorted by pc; the last one has no rule. */
void cfi_compile(struct cfi_table *table, const struct cfi_source *source);

/* The rule at this pc among the rows of one object. [signal] */
cfi_rule cfi_find(const struct cfi_row *rows, size_t count, uint32_t pc);

#endif
