/* task_records.h: where a task or thread of a dump is, by the names of functions. */
#ifndef TESTS_PROFILER_TASK_RECORDS_H
#define TESTS_PROFILER_TASK_RECORDS_H

#include "one_profiler.h"
#include "profiler/symbols.h"
#include "profiler/tasks.h"

#include <string.h>

static inline bool stands_in(const struct task_record *record, const char *function)
{
    struct symbols *symbols = profiler_symbols(profiler);
    bool found = false;
    symbols_acquire(symbols);
    for (uint32_t i = 0; i < record->key.depth; i++) {
        struct symbol_frame frames[SYMBOL_INLINE_MAX];
        bool is_return = i > 0 || record->key.is_parked;
        unsigned count = symbols_resolve(symbols, record->key.pcs[i], is_return, frames, SYMBOL_INLINE_MAX);
        for (unsigned j = 0; j < count; j++)
            found |= strcmp(frames[j].function, function) == 0;
    }
    symbols_release(symbols);
    return found;
}

#endif
