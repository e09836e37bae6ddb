/* progress.c: a bar that redraws its line, on terminals only. */
#include "cmd/profiler/progress.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_WIDTH_MIN 10
#define BAR_WIDTH_MAX 30
#define SHOWN_BYTES_MIN (100 << 10)
#define CLEAR_LINE "\r\033[K"

static bool can_redraw(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

/* "a heap profile", "an allocs profile", "an fgprof profile", whose first letter is spelt; "3 profiles". */
static const char *article_of(const char *subject)
{
    if (isdigit((unsigned char)*subject))
        return "";
    bool sounds_open = strchr("aeiou", *subject) != NULL || strncmp(subject, "fg", 2) == 0;
    return sounds_open ? "an " : "a ";
}

void progress_start(struct progress *progress, bool quiet, const char *subject, int64_t duration_ns, size_t total)
{
    *progress = (struct progress){.subject = subject, .duration_ns = duration_ns, .total = total,
                                  .start_ns = clock_monotonic_ns()};
    progress->draws = !quiet && duration_ns > 0 && can_redraw();
    if (quiet || progress->draws)
        return;
    char duration[64] = "";
    if (duration_ns > 0)
        units_format_duration(duration_ns, duration, sizeof duration);
    fprintf(stderr, "collecting %s%s%s%s\n", article_of(subject), subject, duration_ns > 0 ? " for " : "", duration);
}

/* A line that wraps could not be redrawn. */
static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

/* What stands behind the bar: "12s left, 3 of 9 done, 1.2 MiB". */
static void write_state(const struct progress *progress, int64_t left_ns, struct buf *text)
{
    if (progress->is_finishing)
        buf_append_string(text, "finishing");
    else if (left_ns > 0)
        buf_printf(text, "%" PRId64 "s left", (left_ns + (int64_t)NS_PER_S - 1) / (int64_t)NS_PER_S);
    else
        buf_append_string(text, progress->total > 1 ? "waiting" : "waiting for the answer");
    if (progress->total > 1)
        buf_printf(text, ", %zu of %zu done", progress->ended, progress->total);
    if (progress->received_bytes >= SHOWN_BYTES_MIN)
        buf_printf(text, ", %.1f MiB", (double)progress->received_bytes / (1 << 20));
    if (progress->is_finishing)
        buf_append_string(text, "; Ctrl-C again gives up");
}

static void write_bar(double share, int width, struct buf *text)
{
    width = width > BAR_WIDTH_MAX ? BAR_WIDTH_MAX : width;
    int filled = (int)(share * width);
    buf_append_byte(text, '[');
    for (int i = 0; i < width; i++)
        buf_append_byte(text, i < filled ? '#' : '.');
    buf_append_string(text, "] ");
}

/* Where not all fits, the time left is what matters most, then the bar. */
void progress_draw(const struct progress *progress)
{
    if (!progress->draws || progress->ended == progress->total)
        return;
    int64_t elapsed_ns = (int64_t)(clock_monotonic_ns() - progress->start_ns);
    int64_t left_ns = progress->duration_ns > elapsed_ns ? progress->duration_ns - elapsed_ns : 0;
    struct buf line, state;
    buf_init(&line);
    buf_init(&state);
    write_state(progress, left_ns, &state);

    int width = terminal_width() - 1;
    int bar_width = width - (int)(strlen(progress->subject) + state.size + strlen(" [] "));
    if (bar_width >= BAR_WIDTH_MIN)
        buf_printf(&line, "%s ", progress->subject);
    else
        bar_width = width - (int)(state.size + strlen("[] "));
    if (bar_width >= BAR_WIDTH_MIN)
        write_bar(1 - (double)left_ns / (double)progress->duration_ns, bar_width, &line);
    buf_append_bytes(&line, buf_bytes(&state));
    fprintf(stderr, CLEAR_LINE "%.*s", width, buf_string(&line));
    fflush(stderr);
    buf_deinit(&state);
    buf_deinit(&line);
}

void progress_step(struct progress *progress)
{
    progress->ended++;
    progress_end(progress);
}

void progress_end(const struct progress *progress)
{
    if (progress->draws)
        fputs(CLEAR_LINE, stderr);
}
