/* progress.c: a bar that redraws its line, on terminals only. */
#include "cmd/profiler/progress.h"

#include "base/clock.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define CLEAR_LINE "\r\033[K"

void progress_start(struct progress *progress, bool quiet, const char *title, const char *address,
                    int64_t duration_ns)
{
    *progress = (struct progress){.title = title, .address = address, .duration_ns = duration_ns,
                                  .start_ns = clock_monotonic_ns()};
    progress->draws = !quiet && isatty(STDERR_FILENO) && duration_ns > 0;
    if (quiet || progress->draws)
        return;
    char duration[64];
    units_format_duration(duration_ns, duration, sizeof(duration));
    fprintf(stderr, "collecting a%s %s of %s%s%s\n", strchr("aeiou", *title) ? "n" : "", title, address,
            duration_ns > 0 ? " for " : "", duration_ns > 0 ? duration : "");
}

/* A line that wraps could not be redrawn. */
static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

void progress_draw(const struct progress *progress)
{
    if (!progress->draws)
        return;
    int64_t elapsed_ns = (int64_t)(clock_monotonic_ns() - progress->start_ns);
    int64_t left_s = (progress->duration_ns - elapsed_ns + (int64_t)NS_PER_S - 1) / (int64_t)NS_PER_S;
    char bar[BAR_WIDTH + 1] = {0};
    int64_t filled = elapsed_ns >= progress->duration_ns
                         ? BAR_WIDTH
                         : (int64_t)((double)elapsed_ns / (double)progress->duration_ns * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    char line[512], left[32];
    snprintf(left, sizeof left, "%" PRId64 "s left", left_s);
    snprintf(line, sizeof line, "%s of %s [%s] %s", progress->title, progress->address, bar,
             elapsed_ns < progress->duration_ns ? left : "waiting for the answer");
    fprintf(stderr, CLEAR_LINE "%.*s", terminal_width() - 1, line);
    fflush(stderr);
}

void progress_end(const struct progress *progress)
{
    if (progress->draws)
        fputs(CLEAR_LINE, stderr);
}
