/* process.c: the standard process_* metrics, read from /proc when somebody asks, and the build's version.
 *
 * Names and meanings are those of https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics; the
 * fields of /proc/self/stat are numbered as in proc(5). */
#include "metrics/metrics.h"

#include "base/clock.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What is read from /proc; NaN where that failed, as Prometheus shows a value that is not known. */
struct process_facts {
    double cpu_seconds, start_seconds_since_boot, threads, virtual_bytes, resident_bytes, open_fds, max_fds;
};

static void read_stat(struct process_facts *facts)
{
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return;
    /* Field 2 is the program's name, which may hold spaces and parentheses: fields count from the last one. */
    char line[2048];
    char *field = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    if (!field)
        return;
    enum { THREADS = 20, START_TIME = 22, VIRTUAL_BYTES = 23, RESIDENT_PAGES = 24 };
    double values[RESIDENT_PAGES + 1] = {0};
    char *rest = NULL;
    strtok_r(field, " ", &rest);
    for (int number = 3; number <= RESIDENT_PAGES; number++) {
        const char *text = strtok_r(NULL, " ", &rest);
        if (!text)
            return;
        values[number] = strtod(text, NULL);
    }
    facts->threads = values[THREADS];
    facts->start_seconds_since_boot = values[START_TIME] / (double)sysconf(_SC_CLK_TCK);
    facts->virtual_bytes = values[VIRTUAL_BYTES];
    facts->resident_bytes = values[RESIDENT_PAGES] * (double)sysconf(_SC_PAGESIZE);
}

static double count_open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return NAN;
    double count = -1; /* the directory's own */
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static struct process_facts read_facts(void)
{
    struct process_facts facts = {
        .cpu_seconds = (double)clock_process_cpu_ns() / 1e9,
        .start_seconds_since_boot = NAN,
        .threads = NAN,
        .virtual_bytes = NAN,
        .resident_bytes = NAN,
        .open_fds = count_open_fds(),
        .max_fds = NAN,
    };
    read_stat(&facts);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        facts.max_fds = (double)limit.rlim_cur;
    return facts;
}

static void collect_process(struct metrics_writer *writer, void *context)
{
    (void)context;
    struct process_facts facts = read_facts();
    const struct {
        enum metric_type type;
        const char *name, *help;
        double value;
    } families[] = {
        {METRIC_COUNTER, "process_cpu_seconds_total", "CPU time that the process has used.", facts.cpu_seconds},
        {METRIC_GAUGE, "process_resident_memory_bytes", "Memory that is in RAM.", facts.resident_bytes},
        {METRIC_GAUGE, "process_virtual_memory_bytes", "Address space in use.", facts.virtual_bytes},
        {METRIC_GAUGE, "process_open_fds", "File descriptors that are open.", facts.open_fds},
        {METRIC_GAUGE, "process_max_fds", "File descriptors that may be open.", facts.max_fds},
        {METRIC_GAUGE, "process_threads", "Threads of the process.", facts.threads},
    };
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        metrics_write_family(writer, families[i].type, families[i].name, families[i].help);
        metrics_write_sample(writer, families[i].value, METRIC_NO_LABELS);
    }
}

/* Whole seconds since 1970; now if /proc tells nothing. */
static int64_t start_time_seconds(void)
{
    struct timespec since_boot;
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    double now = (double)clock_wall_ns() / 1e9;
    double age = (double)since_boot.tv_sec + (double)since_boot.tv_nsec / 1e9 - read_facts().start_seconds_since_boot;
    return (int64_t)(isnan(age) ? now : now - age);
}

void metrics_add_process(struct metrics *metrics, const char *version)
{
    metric_gauge_set(metrics_gauge(metrics, "takhin_build_info", "Always 1; the label says which build this is.",
                                   METRIC_LABELS("version", version)),
                     1);
    /* Read once: counted anew each time it would tremble with the clocks and look like a restart. */
    metric_gauge_set(metrics_gauge(metrics, "process_start_time_seconds", "When the process started, since 1970.",
                                   METRIC_NO_LABELS),
                     start_time_seconds());
    metrics_collector_add(metrics, collect_process, metrics);
}
