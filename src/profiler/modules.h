/* modules.h: the executable objects mapped into this process: the program, its shared libraries, the vdso. */
#ifndef PROFILER_MODULES_H
#define PROFILER_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODULE_BUILD_ID_MAX 64

/* One object as it is mapped. */
struct module {
    char *path;                /* absolute; the program's own is resolved; "[vdso]" for the vdso */
    char build_id[MODULE_BUILD_ID_MAX * 2 + 1]; /* lower-case hex; "" if it has none */
    uintptr_t bias;            /* run-time address minus address in the file's symbol table */
    uintptr_t text_start, text_end; /* its executable segment, page aligned */
    uint64_t text_file_offset; /* of text_start in the file */
    const uint8_t *eh_frame;   /* mapped .eh_frame, NULL if it has none */
    size_t eh_frame_size;      /* what is mapped from there on: at least the section, which ends by a zero */
    uintptr_t eh_frame_hdr;    /* run-time address of .eh_frame_hdr, 0 if none */
    bool is_program;
    bool is_own;               /* our code, built with frame pointers: the program */
};

/* A picture of one moment, sorted by text_start; never changed afterwards. */
struct module_list {
    struct module *modules;
    unsigned count;
    uint64_t generation; /* dl_iterate_phdr's counts of loads and unloads, summed: equal means nothing changed */
};

/* Show each object to `visit`, unsorted, while the loader's lock is held: nothing is unmapped meanwhile, and `visit`
 * must neither load nor unload. The module and its path are valid during the call only; its mapped bytes likewise.
 * Returns the generation that was shown. Not in a signal handler. */
typedef void (*module_visit_fn)(const struct module *module, void *context);
uint64_t module_visit(module_visit_fn visit, void *context);

/* Take the picture. Allocates and takes the loader's lock: not in a signal handler. */
struct module_list *module_list_create(void);
void module_list_destroy(struct module_list *list);
/* What generation a picture taken now would have; cheap enough to ask ten times a second. */
uint64_t module_generation(void);
/* The module whose text holds this address; NULL if none. */
const struct module *module_find(const struct module_list *list, uintptr_t address);

#endif
