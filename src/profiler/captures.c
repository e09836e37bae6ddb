/* captures.c: a thread that waits for slow requests, saves the trace of the time around one, and removes old ones. */
#include "profiler/captures.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "profiler/capture_folder.h"
#include "profiler/own_thread.h"
#include "profiler/profiler.h"
#include "profiler/trace.h"
#include "profiler/trace_recorder.h"
#include "trace/format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* Waited before it is saved: what ended the incident, and who else suffered, is then in it. */
#define AFTERMATH_NS (200 * NS_PER_MS)
/* Of the time before the request began, and the longest trace that is saved. */
#define BEFORE_NS (2 * NS_PER_S)
#define LAST_MAX_NS (30 * NS_PER_S)
/* How often what is too old is looked for. */
#define TRIM_INTERVAL_NS (60 * NS_PER_S)

/* What the configuration allows is what these take. */
_Static_assert(PROFILER_TRACE_BUFFER_MAX == TRACE_BUFFER_MAX, "one limit");
_Static_assert(PROFILER_CAPTURE_BYTES_MIN >= TRACE_BYTES_MAX, "one capture fits");

/* Who serves a slow request may not wait for us, so the first one claims the place and leaves its facts there; it is
 * free again when the cooldown is over. */
enum claim { CLAIM_FREE, CLAIM_TAKEN, CLAIM_READY };

struct incident {
    const char *request;
    uint64_t duration_ns;
    int64_t time_ns; /* when it ended, since 1970 */
};

struct settings {
    bool is_on;
    uint64_t cooldown_ns, bytes;
    int64_t age_ns;
};

struct captures {
    struct profiler *profiler;
    _Atomic int claim;
    struct incident incident; /* of who has claimed it, then of the thread */
    _Atomic uint64_t skipped_count;
    sem_t wake; /* of the thread: it looks what there is to do */
    uint64_t saved_ns; /* of the thread: when the cooldown began; 0: there is none */

    pthread_mutex_t lock; /* of all below */
    struct settings settings;
    bool lacks_recorder; /* and it was warned of that */
    char *folder;
    struct captures_stats stats;
    pthread_t thread;
    bool is_joinable, is_running; /* it runs until it finds nothing to do */
    bool is_ending;
};

struct captures *captures_create(struct profiler *profiler)
{
    struct captures *captures = MEM_NEW(struct captures);
    captures->profiler = profiler;
    captures->folder = mem_copy_string("");
    sem_init(&captures->wake, 0, 0);
    pthread_mutex_init(&captures->lock, NULL);
    return captures;
}

/* On the thread that served the request. */
static void on_slow_request(void *context, const char *name, uint64_t duration_ns)
{
    struct captures *captures = context;
    int expected = CLAIM_FREE;
    if (!atomic_compare_exchange_strong(&captures->claim, &expected, CLAIM_TAKEN)) {
        atomic_fetch_add_explicit(&captures->skipped_count, 1, memory_order_relaxed);
        return;
    }
    captures->incident = (struct incident){name, duration_ns, clock_wall_ns()};
    atomic_store(&captures->claim, CLAIM_READY);
    sem_post(&captures->wake);
}

static struct settings settings_now(struct captures *captures)
{
    pthread_mutex_lock(&captures->lock);
    struct settings settings = captures->settings;
    pthread_mutex_unlock(&captures->lock);
    return settings;
}

static char *copy_folder(struct captures *captures)
{
    pthread_mutex_lock(&captures->lock);
    char *folder = mem_copy_string(captures->folder);
    pthread_mutex_unlock(&captures->lock);
    return folder;
}

/* Until it is that time or somebody wakes us, perhaps for nothing. */
static void wait_until(struct captures *captures, uint64_t until_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(until_ns / NS_PER_S), .tv_nsec = (long)(until_ns % NS_PER_S)};
    (void)sem_clockwait(&captures->wake, CLOCK_MONOTONIC, &deadline);
}

static void wake_thread(void *context)
{
    struct captures *captures = context;
    sem_post(&captures->wake);
}

static int write_all(int fd, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t size = TEMP_FAILURE_RETRY(write(fd, bytes.data, bytes.size));
        if (size < 0)
            return -errno;
        bytes = bytes_of(bytes.data + size, bytes.size - (size_t)size);
    }
    return 0;
}

/* ERR_CLOSED: it was switched off meanwhile. */
static int write_trace(struct captures *captures, int fd, uint64_t last_ns)
{
    struct trace_query query = {
        .format = &trace_format_1_19,
        .last_ns = last_ns,
        .is_reserved = true,
        .notify = wake_thread,
        .context = captures,
    };
    struct trace_collection *collection;
    int rc = trace_open(captures->profiler, &query, &collection);
    if (rc < 0)
        return rc;
    struct buf bytes;
    buf_init(&bytes);
    for (bool has_more = true; rc == 0 && has_more;) {
        buf_clear(&bytes);
        has_more = trace_take(collection, &bytes);
        rc = settings_now(captures).is_on ? write_all(fd, buf_bytes(&bytes)) : ERR_CLOSED;
        if (rc == 0 && has_more && bytes.size == 0)
            wait_until(captures, own_thread_clock_ns() + NS_PER_S);
    }
    buf_deinit(&bytes);
    trace_close(collection);
    return rc;
}

static int save(struct captures *captures, const struct incident *incident, const char *folder, char **path)
{
    char *part_path = NULL;
    int fd = capture_folder_create(folder, incident->time_ns, incident->request, incident->duration_ns, path,
                                   &part_path);
    int rc = fd < 0 ? fd : 0;
    if (rc == 0) {
        uint64_t last_ns = incident->duration_ns + AFTERMATH_NS + BEFORE_NS;
        rc = write_trace(captures, fd, last_ns < LAST_MAX_NS ? last_ns : LAST_MAX_NS);
        if (close(fd) != 0 && errno != EINTR && rc == 0)
            rc = -errno;
        if (rc == 0 && TEMP_FAILURE_RETRY(rename(part_path, *path)) != 0)
            rc = -errno;
        if (rc != 0)
            unlink(part_path);
    }
    mem_free(part_path);
    return rc;
}

static void count(struct captures *captures, int result)
{
    pthread_mutex_lock(&captures->lock);
    captures->stats.saved_count += result == 0;
    captures->stats.failed_count += result < 0 && result != ERR_CLOSED;
    pthread_mutex_unlock(&captures->lock);
}

static void capture(struct captures *captures, const struct incident *incident)
{
    char *folder = copy_folder(captures), *path = NULL;
    int rc = capture_folder_make(folder);
    if (rc == 0)
        rc = save(captures, incident, folder, &path);
    if (rc == 0)
        log_info("slow request captured request=%s duration_ms=%llu file=%s", incident->request,
                 incident->duration_ns / NS_PER_MS, path);
    else if (rc != ERR_CLOSED)
        log_warning("slow request not captured request=%s duration_ms=%llu file=%s error=\"%s\"",
                    incident->request, incident->duration_ns / NS_PER_MS, path ? path : folder, error_text(rc));
    count(captures, rc);
    mem_free(path);
    mem_free(folder);
}

/* Returns when to do it again. */
static uint64_t trim(struct captures *captures)
{
    struct settings settings = settings_now(captures);
    char *folder = copy_folder(captures);
    int64_t now_ns = clock_wall_ns();
    uint64_t held_bytes = capture_folder_trim(folder, now_ns, now_ns - settings.age_ns, settings.bytes);
    pthread_mutex_lock(&captures->lock);
    captures->stats.held_bytes = held_bytes;
    pthread_mutex_unlock(&captures->lock);
    mem_free(folder);
    return own_thread_clock_ns() + TRIM_INTERVAL_NS;
}

/* The next slow request may claim it. */
static void release_claim(struct captures *captures)
{
    int ready = CLAIM_READY;
    (void)atomic_compare_exchange_strong(&captures->claim, &ready, CLAIM_FREE);
}

/* Switched off, it still has to remove in time what is there. False: the thread ends, until settings start another. */
static bool goes_on(struct captures *captures)
{
    pthread_mutex_lock(&captures->lock);
    captures->is_running = !captures->is_ending && (captures->settings.is_on || captures->stats.held_bytes > 0);
    bool is_running = captures->is_running;
    pthread_mutex_unlock(&captures->lock);
    return is_running;
}

/* False: it was switched off meanwhile. */
static bool await_aftermath(struct captures *captures)
{
    uint64_t end_ns = own_thread_clock_ns() + AFTERMATH_NS;
    bool is_on = settings_now(captures).is_on;
    while (is_on && own_thread_clock_ns() < end_ns) {
        wait_until(captures, end_ns);
        is_on = settings_now(captures).is_on;
    }
    return is_on;
}

/* Whether the last capture was so long ago that there may be another. */
static bool is_cool(struct captures *captures)
{
    if (captures->saved_ns != 0 && own_thread_clock_ns() >= captures->saved_ns + settings_now(captures).cooldown_ns) {
        captures->saved_ns = 0;
        release_claim(captures);
    }
    return captures->saved_ns == 0;
}

static void *captures_run(void *argument)
{
    struct captures *captures = argument;
    uint64_t trim_ns = trim(captures); /* when to look for what has to go; now it may be all that there is to do */
    while (goes_on(captures)) {
        bool has_incident = is_cool(captures) && atomic_load(&captures->claim) == CLAIM_READY;
        if (has_incident && await_aftermath(captures)) {
            capture(captures, &captures->incident);
            captures->saved_ns = own_thread_clock_ns();
            trim_ns = trim(captures);
        } else if (has_incident) {
            release_claim(captures);
        }
        if (own_thread_clock_ns() >= trim_ns)
            trim_ns = trim(captures);
        uint64_t cool_ns = captures->saved_ns == 0 ? UINT64_MAX
                                                   : captures->saved_ns + settings_now(captures).cooldown_ns;
        wait_until(captures, cool_ns < trim_ns ? cool_ns : trim_ns);
    }
    return NULL;
}

/* The lock is held. One that has found itself switched off needs no lock any more, so it can be waited for. */
static int start_thread(struct captures *captures)
{
    if (captures->is_running)
        return 0;
    if (captures->is_joinable)
        pthread_join(captures->thread, NULL);
    if (captures->saved_ns == 0)
        release_claim(captures); /* of the time before */
    int rc = own_thread_start(&captures->thread, captures_run, captures);
    captures->is_joinable = captures->is_running = rc == 0;
    if (rc == 0)
        pthread_setname_np(captures->thread, "captures");
    return rc;
}

/* The lock is held. Whether slow requests are captured from now on. */
static bool apply(struct captures *captures, const struct profiler_options *options)
{
    bool is_wanted = options->slow_request_ms > 0, lacks_recorder = is_wanted && options->trace_buffer == 0;
    if (lacks_recorder && !captures->lacks_recorder)
        log_warning("slow requests are not captured: there is no flight recorder "
                    "profiler.slow_request_ms=%" PRId64 " profiler.trace_buffer=0", options->slow_request_ms);
    captures->lacks_recorder = lacks_recorder;
    captures->settings = (struct settings){
        .is_on = is_wanted && !lacks_recorder,
        .cooldown_ns = (uint64_t)options->capture_cooldown_ns,
        .bytes = (uint64_t)options->capture_bytes,
        .age_ns = options->capture_age_ns,
    };
    mem_free(captures->folder);
    captures->folder = mem_copy_string(options->capture_dir ? options->capture_dir : "");
    /* Switched off, it looks once whether there is a capture of the time before that has to go. */
    bool has_folder = captures->folder[0] != '\0';
    int rc = captures->settings.is_on || has_folder ? start_thread(captures) : 0;
    if (rc < 0) {
        log_warning("there is no thread for captures to be had error=\"%s\"", error_text(rc));
        captures->settings.is_on = false;
    }
    return captures->settings.is_on;
}

void captures_configure(struct captures *captures, const struct profiler_options *options)
{
    pthread_mutex_lock(&captures->lock);
    bool is_on = apply(captures, options);
    pthread_mutex_unlock(&captures->lock);
    sem_post(&captures->wake);
    trace_recorder_watch(profiler_trace_recorder(captures->profiler),
                         is_on ? (uint64_t)options->slow_request_ms * NS_PER_MS : UINT64_MAX,
                         is_on ? on_slow_request : NULL, captures);
}

void captures_destroy(struct captures *captures)
{
    if (!captures)
        return;
    trace_recorder_watch(profiler_trace_recorder(captures->profiler), UINT64_MAX, NULL, NULL);
    pthread_mutex_lock(&captures->lock);
    captures->is_ending = true;
    captures->settings.is_on = false;
    pthread_mutex_unlock(&captures->lock);
    sem_post(&captures->wake);
    if (captures->is_joinable)
        pthread_join(captures->thread, NULL);
    pthread_mutex_destroy(&captures->lock);
    sem_destroy(&captures->wake);
    mem_free(captures->folder);
    mem_free(captures);
}

int captures_list(struct captures *captures, struct capture_file **files)
{
    char *folder = copy_folder(captures);
    int count = capture_folder_list(folder, CAPTURE_ENDING, files);
    mem_free(folder);
    return count;
}

int captures_read(struct captures *captures, const char *name, struct buf *content)
{
    char *folder = copy_folder(captures);
    int rc = capture_folder_read(folder, name, content);
    mem_free(folder);
    return rc;
}

struct captures_stats captures_stats(struct captures *captures)
{
    pthread_mutex_lock(&captures->lock);
    struct captures_stats stats = captures->stats;
    pthread_mutex_unlock(&captures->lock);
    stats.skipped_count = atomic_load_explicit(&captures->skipped_count, memory_order_relaxed);
    return stats;
}
