/* log.c: formats log lines and hands each to standard error in one write. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A longer message is cut: a line must go out in one write to stay whole. */
#define MESSAGE_MAX 2048

_Atomic int log_threshold = LOG_INFO;
static _Atomic int log_line_format = LOG_TEXT;

static struct {
    pthread_mutex_t lock;
    void (*write_line)(const char *line, void *context);
    void *context;
} redirected = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_configure(struct log_options options)
{
    atomic_store(&log_threshold, options.level);
    atomic_store(&log_line_format, options.format);
}

void log_redirect(void (*write_line)(const char *line, void *context), void *context)
{
    pthread_mutex_lock(&redirected.lock);
    redirected.write_line = write_line;
    redirected.context = context;
    pthread_mutex_unlock(&redirected.lock);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    ASSERT((unsigned)level < ARRAY_COUNT(names));
    return names[level];
}

static void append_time(struct buf *line)
{
    int64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / (int64_t)NS_PER_S);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
               utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(now / (int64_t)NS_PER_MS % 1000));
}

/* Names come from clients: no byte of theirs may end the line, steer a terminal or make it something else than JSON. */
static void append_escaped(struct buf *line, const char *text, bool json)
{
    const uint8_t *c = (const uint8_t *)text, *end = c + strlen(text);
    while (c < end) {
        size_t size = utf8_character_size(bytes_of(c, (size_t)(end - c)));
        bool steers = *c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0); /* the last are the C1 controls */
        if (size > 0 && !steers) {
            if (json && (*c == '"' || *c == '\\'))
                buf_append_byte(line, '\\');
            buf_append(line, c, size);
            c += size;
        } else {
            buf_printf(line, json ? "\\u%04x" : "\\x%02x", json && *c >= 0x80 ? 0xfffd : *c);
            c++;
        }
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    struct buf line;
    buf_init(&line);
    bool json = atomic_load(&log_line_format) == LOG_JSON;
    buf_append_string(&line, json ? "{\"time\":\"" : "");
    append_time(&line);
    if (json)
        buf_printf(&line, "\",\"level\":\"%s\",\"message\":\"", log_level_name(level));
    else
        buf_printf(&line, " %-7s ", log_level_name(level));
    append_escaped(&line, message, json);
    buf_append_string(&line, json ? "\"}\n" : "\n");

    pthread_mutex_lock(&redirected.lock);
    if (redirected.write_line)
        redirected.write_line(buf_string(&line), redirected.context);
    else if (write(STDERR_FILENO, line.data, line.size) < 0) {
        /* Nowhere left to say it. */
    }
    pthread_mutex_unlock(&redirected.lock);
    buf_deinit(&line);
}
