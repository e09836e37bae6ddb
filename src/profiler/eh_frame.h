/* eh_frame.h: the entries of an .eh_frame section, and what their bytes are made of.
 *
 * Sources of the format: Linux Standard Base 5.0 core, section 10.6 (entries, augmentations, pointer encodings),
 * DWARF 5 section 7.6 (LEB128). Bytes are never trusted: nothing is read outside of the section. */
#ifndef PROFILER_EH_FRAME_H
#define PROFILER_EH_FRAME_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfi_source;

/* Reads within bounds; after the first read beyond them every value is 0 and `failed` stays set. */
struct reader {
    const uint8_t *at, *end;
    bool failed;
};

struct bytes reader_bytes(struct reader *reader, uint64_t size);
/* A little-endian number of 1 to 8 bytes. */
uint64_t reader_fixed(struct reader *reader, size_t size);
/* LEB128: seven bits a byte. */
uint64_t reader_unsigned(struct reader *reader);
int64_t reader_signed(struct reader *reader);
/* A code address in a pointer encoding. */
uint64_t reader_address(struct reader *reader, uint8_t encoding, const struct cfi_source *source);

/* A CIE or FDE as it lies in the section. */
struct entry {
    size_t id_offset; /* where its first word lies, which a CIE pointer counts back from */
    uint32_t id;      /* 0: a CIE; else the distance back to the function's CIE */
    struct reader body;
    size_t next_offset;
};

/* False at the zero word that ends the section, or where no entry fits. */
bool entry_read(struct bytes section, size_t offset, struct entry *entry);

/* What functions have in common: a common information entry. */
struct cie {
    size_t offset; /* in the section; SIZE_MAX: not read */
    uint64_t code_factor;
    int64_t data_factor;
    uint8_t encoding; /* of code addresses */
    bool is_signal;   /* its functions were not called but interrupted something */
    bool has_augmentation_data;
    struct reader instructions;
};

/* One function: a frame description entry. */
struct fde {
    uint64_t start, end; /* run-time addresses */
    struct reader instructions;
};

/* False if it is no FDE, or not one that is understood. `*cie` is the last one that was read, which is mostly the one
 * that is needed; its offset is SIZE_MAX before the first. */
bool fde_read(struct fde *fde, struct cie *cie, const struct cfi_source *source, const struct entry *entry);

#endif
