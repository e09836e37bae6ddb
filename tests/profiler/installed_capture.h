/* installed_capture.h: what captures stacks in a test program that has no profiler: an unwinder and symbols. */
#ifndef TESTS_PROFILER_INSTALLED_CAPTURE_H
#define TESTS_PROFILER_INSTALLED_CAPTURE_H

#include "profiler/capture.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

static struct unwinder *unwinder;
static struct symbols *symbols;

static inline int set_up_capture(void **state)
{
    (void)state;
    unwinder = unwinder_create();
    symbols = symbols_create();
    capture_install(unwinder, symbols);
    return 0;
}

static inline int tear_down_capture(void **state)
{
    (void)state;
    capture_remove();
    symbols_destroy(symbols);
    unwinder_destroy(unwinder);
    return 0;
}

#endif
