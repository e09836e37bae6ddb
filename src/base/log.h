/* log.h: one line an event on standard error: words first, then key=value. [any]
 *
 *     log_info("topic created topic=%s partitions=%d", name, count);
 *
 * error: someone must act. warning: something was not as asked, and the program goes on. info: state changed.
 * debug: a developer asks. Nothing per request above debug; never a message's payload. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/check.h"

#include <stdatomic.h>
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_options {
    enum log_level level;   /* what is below is not written */
    enum log_format format; /* JSON: one object a line with time, level, message */
};

/* Default before this: info, text. May be called again at any time. */
void log_configure(struct log_options options);
/* Tests: lines go here instead of standard error; NULL: back again. */
void log_redirect(void (*write_line)(const char *line, void *context), void *context);

/* "debug", "info", "warning" or "error". [any] */
const char *log_level_name(enum log_level level);

extern _Atomic int log_threshold;
static inline bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define LOG_AT(level, ...) (log_enabled(level) ? log_write(level, __VA_ARGS__) : (void)0)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_WARNING, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)

#endif
