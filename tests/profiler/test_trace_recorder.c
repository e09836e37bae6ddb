/* test_trace_recorder.c: what threads record comes out in order and whole, or the reader is told where it is not. */
#include "profiler/trace_recorder.h"

#include "base/clock.h"
#include "base/mem.h"
#include "profiler/trace_recorder_private.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define CHUNK_BYTES (32u << 10) /* what a thread is given at a time */
#define CHUNK_RECORDS 2047u
#define FOREVER_NS (3600 * NS_PER_S)

static struct trace_recorder *recorder;

static int create(void **state)
{
    (void)state;
    recorder = trace_recorder_create();
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    trace_recorder_destroy(recorder);
    return 0;
}

/* Records that carry a number. */
static void record_numbers(uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        trace_task_unparked(first + i, 0);
}

/* The next item of ours, not of the thread that counts memory. */
static enum trace_progress next_item(struct trace_reader *reader, struct trace_item *item)
{
    for (;;) {
        enum trace_progress progress = trace_reader_next(reader, item);
        if (progress != TRACE_PROGRESS_ITEM || trace_type(item->record) != TRACE_HEAP)
            return progress;
    }
}

static enum trace_progress await_item(struct trace_reader *reader, struct trace_item *item)
{
    enum trace_progress progress;
    while ((progress = next_item(reader, item)) == TRACE_PROGRESS_WAIT)
        usleep(1000);
    return progress;
}

/* All that is left: numbers that go up by one. Returns how many, *first is the first one. */
static uint64_t read_numbers(struct trace_reader *reader, uint64_t *first, enum trace_progress expected_end)
{
    struct trace_item item;
    enum trace_progress progress;
    uint64_t count = 0, last_ns = 0;
    for (; (progress = await_item(reader, &item)) == TRACE_PROGRESS_ITEM; count++) {
        assert_int_equal(trace_type(item.record), TRACE_TASK_UNPARK);
        if (count == 0)
            *first = trace_argument(item.record);
        assert_int_equal(trace_argument(item.record), *first + count);
        assert_true(item.time_ns >= last_ns);
        last_ns = item.time_ns;
    }
    assert_int_equal(progress, expected_end);
    assert_true(trace_reader_now_ns(reader) >= last_ns);
    return count;
}

/* --- several threads --- */

#define THREADS 4
#define NUMBERS 20000u

struct writer_thread {
    pthread_t thread;
    char name[16];
    enum trace_thread_kind kind;
    uint64_t first, count;
};

static void *write_numbers(void *argument)
{
    struct writer_thread *writer = argument;
    prctl(PR_SET_NAME, writer->name);
    trace_thread_is(writer->kind);
    record_numbers(writer->first, writer->count);
    return NULL;
}

static void start_writer(struct writer_thread *writer, unsigned index)
{
    *writer = (struct writer_thread){.kind = (enum trace_thread_kind)(index % 3), .first = (index + 1) * 1000000ull,
                                     .count = NUMBERS};
    snprintf(writer->name, sizeof writer->name, "writer-%u", index);
    assert_int_equal(pthread_create(&writer->thread, NULL, write_numbers, writer), 0);
}

/* Each thread's numbers are there, all of them, in order; and so are all times. */
static void assert_all_numbers(struct trace_reader *reader, struct writer_thread *writers, unsigned count)
{
    uint64_t *next = mem_alloc_array(count, sizeof *next), last_ns = 0;
    struct trace_item item;
    enum trace_progress progress;
    while ((progress = await_item(reader, &item)) == TRACE_PROGRESS_ITEM) {
        assert_true(item.time_ns >= last_ns);
        last_ns = item.time_ns;
        uint64_t number = trace_argument(item.record), index = number / 1000000 - 1;
        assert_true(index < count);
        assert_int_equal(number, writers[index].first + next[index]);
        assert_string_equal(item.thread->name, writers[index].name);
        assert_int_equal(item.thread->kind, writers[index].kind);
        assert_int_not_equal(item.thread->id, 0);
        next[index]++;
    }
    assert_int_equal(progress, TRACE_PROGRESS_END);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(next[i], writers[i].count);
    mem_free(next);
}

static void records_of_several_threads_come_out_in_order(void **state)
{
    (void)state;
    struct writer_thread writers[THREADS];
    trace_recorder_configure(recorder, 16 << 20);
    for (unsigned i = 0; i < THREADS; i++)
        start_writer(&writers[i], i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(writers[i].thread, NULL);

    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    assert_all_numbers(reader, writers, THREADS);
    trace_reader_rewind(reader);
    assert_all_numbers(reader, writers, THREADS);
    trace_reader_close(reader);
}

struct comers {
    struct writer_thread writers[60];
    struct trace_reader *reader;
};

/* Three at a time, until all have been there; then the reader is stopped. */
static void *come_and_go(void *argument)
{
    struct comers *comers = argument;
    for (unsigned i = 0; i < ARRAY_COUNT(comers->writers); i++) {
        if (i >= 3)
            pthread_join(comers->writers[i - 3].thread, NULL);
        start_writer(&comers->writers[i], i);
    }
    for (unsigned i = ARRAY_COUNT(comers->writers) - 3; i < ARRAY_COUNT(comers->writers); i++)
        pthread_join(comers->writers[i].thread, NULL);
    trace_reader_stop(comers->reader);
    return NULL;
}

static void threads_that_come_and_go_while_it_reads_are_whole(void **state)
{
    (void)state;
    static struct comers comers;
    pthread_t thread;
    trace_recorder_configure(recorder, 64 << 20); /* for all of it, if this thread gets no time to read */
    comers.reader = trace_reader_open(recorder, 0, false);
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &comers), 0);
    assert_all_numbers(comers.reader, comers.writers, ARRAY_COUNT(comers.writers));
    pthread_join(thread, NULL);
    trace_reader_close(comers.reader);
}

static void what_was_recorded_before_is_not_read_along(void **state)
{
    (void)state;
    uint64_t first;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(0, 100);
    struct trace_reader *reader = trace_reader_open(recorder, 0, false);
    record_numbers(100, 3 * CHUNK_RECORDS);
    trace_reader_stop(reader);
    record_numbers(9999, 10);
    assert_int_equal(read_numbers(reader, &first, TRACE_PROGRESS_END), 3 * CHUNK_RECORDS);
    assert_int_equal(first, 100);
    trace_reader_close(reader);
}

static void *record_one(void *argument)
{
    record_numbers(*(uint64_t *)argument, 1);
    return NULL;
}

static void record_on_another_thread(uint64_t number)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, record_one, &number), 0);
    pthread_join(thread, NULL);
}

/* --- what is kept --- */

static void the_oldest_chunks_are_used_again(void **state)
{
    (void)state;
    enum { CHUNKS = 8, TOTAL = 20 * CHUNK_RECORDS };
    uint64_t first;
    trace_recorder_configure(recorder, CHUNKS * CHUNK_BYTES);
    uint64_t begin_ns = clock_monotonic_ns();
    record_numbers(0, TOTAL);

    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    uint64_t count = read_numbers(reader, &first, TRACE_PROGRESS_END);
    assert_int_equal(first + count, TOTAL);
    assert_true(count > (CHUNKS - 3) * CHUNK_RECORDS); /* the thread that counts memory has one, too */
    assert_true(count <= CHUNKS * CHUNK_RECORDS);
    assert_true(trace_reader_start_ns(reader) > begin_ns);
    trace_reader_close(reader);

    struct trace_recorder_stats stats = trace_recorder_stats(recorder);
    assert_true(stats.held_bytes <= CHUNKS * CHUNK_BYTES);
    assert_true(stats.record_count >= 19 * CHUNK_RECORDS);
    assert_true(stats.history_ns > 0);
    assert_int_equal(stats.lost_count, 0);
}

/* How well a time in a trace is known: of a machine that stands still while both clocks are read, not better. */
#define CLOCK_TOLERANCE_NS (50 * NS_PER_MS)

static void a_window_begins_when_it_says(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static uint64_t before_ns[COUNT], after_ns[COUNT];
    trace_recorder_configure(recorder, 1 << 20);
    for (unsigned i = 0; i < COUNT; i++) {
        before_ns[i] = clock_monotonic_ns();
        record_numbers(i, 1);
        after_ns[i] = clock_monotonic_ns();
        usleep(2000);
    }

    uint64_t asked_ns = clock_monotonic_ns(), wanted_ns = before_ns[COUNT / 2];
    struct trace_reader *reader = trace_reader_open(recorder, asked_ns - wanted_ns, false);
    uint64_t late_ns = clock_monotonic_ns() - asked_ns; /* its now is between the two */
    struct trace_item item;
    uint64_t start_ns = trace_reader_start_ns(reader), count = 0;
    assert_in_range(start_ns, wanted_ns - CLOCK_TOLERANCE_NS, wanted_ns + late_ns + CLOCK_TOLERANCE_NS);
    for (; next_item(reader, &item) == TRACE_PROGRESS_ITEM; count++) {
        uint64_t number = trace_argument(item.record), time_ns = start_ns + item.time_ns;
        assert_true(after_ns[number] + CLOCK_TOLERANCE_NS > start_ns);
        assert_in_range(time_ns, before_ns[number] - CLOCK_TOLERANCE_NS, after_ns[number] + CLOCK_TOLERANCE_NS);
    }
    assert_in_range(count, 0, COUNT - 1);
    assert_true(before_ns[COUNT - count - 1] < start_ns + CLOCK_TOLERANCE_NS);
    trace_reader_close(reader);
}

static void what_a_reader_has_is_not_used_again(void **state)
{
    (void)state;
    enum { CHUNKS = 8, OLD = 3 * CHUNK_RECORDS };
    uint64_t first;
    trace_recorder_configure(recorder, CHUNKS * CHUNK_BYTES);
    record_numbers(0, OLD);
    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    record_numbers(OLD, 50 * CHUNK_RECORDS);
    assert_true(trace_recorder_stats(recorder).held_bytes > CHUNKS * CHUNK_BYTES);

    assert_int_equal(read_numbers(reader, &first, TRACE_PROGRESS_END), OLD);
    assert_int_equal(first, 0);
    trace_reader_rewind(reader);
    assert_int_equal(read_numbers(reader, &first, TRACE_PROGRESS_END), OLD);
    trace_reader_close(reader);
    assert_true(trace_recorder_stats(recorder).held_bytes <= CHUNKS * CHUNK_BYTES);
    assert_int_equal(trace_recorder_stats(recorder).lost_count, 0);
}

static void a_reader_that_is_too_slow_is_told_where_it_lost(void **state)
{
    (void)state;
    struct trace_item item;
    uint64_t first;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(0, 1);
    struct trace_reader *slow = trace_reader_open(recorder, 0, false);
    record_numbers(1, TRACE_BUFFER_MIN / sizeof(struct trace_record) + 10 * CHUNK_RECORDS);
    trace_reader_stop(slow);
    uint64_t count = read_numbers(slow, &first, TRACE_PROGRESS_LOST);
    assert_int_equal(first, 1);
    assert_in_range(count, 1, CHUNK_RECORDS); /* the rest of the chunk that it was in */
    assert_int_equal(trace_reader_next(slow, &item), TRACE_PROGRESS_LOST);
    trace_reader_close(slow);
}

/* As if every chunk that there may be were pinned by readers. */
static uint32_t take_all_free_chunks(void)
{
    pthread_mutex_lock(&recorder->lock);
    uint32_t touched_count = recorder->chunks.touched_count;
    recorder->chunks.touched_count = TRACE_CHUNKS_MAX;
    while (!list_empty(&recorder->chunks.free))
        list_remove(recorder->chunks.free.next);
    pthread_mutex_unlock(&recorder->lock);
    return touched_count;
}

static uint32_t kept_chunks(void)
{
    pthread_mutex_lock(&recorder->lock);
    uint32_t count = recorder->chunks.kept_count;
    pthread_mutex_unlock(&recorder->lock);
    return count;
}

static void a_record_that_finds_no_chunk_is_told(void **state)
{
    (void)state;
    uint64_t first;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(0, 1);
    struct trace_reader *along = trace_reader_open(recorder, 0, false);
    record_numbers(1, 10);
    while (kept_chunks() < 2) /* the thread that counts memory has one, too */
        usleep(1000);
    uint32_t touched_count = take_all_free_chunks();
    record_on_another_thread(1000);
    pthread_mutex_lock(&recorder->lock);
    recorder->chunks.touched_count = touched_count;
    pthread_mutex_unlock(&recorder->lock);
    record_numbers(11, 10);
    assert_int_equal(trace_recorder_stats(recorder).lost_count, 1);

    trace_reader_stop(along);
    assert_int_equal(read_numbers(along, &first, TRACE_PROGRESS_LOST), 10);
    trace_reader_close(along);
    /* And a window begins behind it. */
    struct trace_reader *window = trace_reader_open(recorder, FOREVER_NS, false);
    assert_int_equal(read_numbers(window, &first, TRACE_PROGRESS_END), 10);
    assert_int_equal(first, 11);
    trace_reader_close(window);
}

/* A request for a profile or a trace starts some. */
static void threads_that_come_and_go_leave_history_as_it_is(void **state)
{
    (void)state;
    enum { OLD = 20 * CHUNK_RECORDS };
    uint64_t first;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(0, OLD);
    for (unsigned i = 0; i < 100; i++) {
        struct writer_thread writer = {.name = "brief", .kind = TRACE_THREAD_BRIEF, .count = 3};
        assert_int_equal(pthread_create(&writer.thread, NULL, write_numbers, &writer), 0);
        pthread_join(writer.thread, NULL);
    }
    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    assert_int_equal(read_numbers(reader, &first, TRACE_PROGRESS_END), OLD);
    trace_reader_close(reader);
}

static void history_behind_what_is_read_makes_room(void **state)
{
    (void)state;
    uint64_t first;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(0, 10 * CHUNK_RECORDS);
    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    record_numbers(10 * CHUNK_RECORDS, 5 * CHUNK_RECORDS);
    while (kept_chunks() < 17) /* with that of the thread that counts memory */
        usleep(1000);
    uint64_t lost_count = trace_recorder_stats(recorder).lost_count;
    uint32_t touched_count = take_all_free_chunks();
    record_numbers(15 * CHUNK_RECORDS, 3 * CHUNK_RECORDS);
    pthread_mutex_lock(&recorder->lock);
    recorder->chunks.touched_count = touched_count;
    pthread_mutex_unlock(&recorder->lock);
    assert_int_equal(trace_recorder_stats(recorder).lost_count, lost_count);
    assert_int_equal(read_numbers(reader, &first, TRACE_PROGRESS_END), 10 * CHUNK_RECORDS);
    assert_int_equal(first, 0);
    trace_reader_close(reader);
}

static rlim_t data_bytes(void)
{
    char line[128];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (kib == 0 && fgets(line, sizeof line, file))
        (void)sscanf(line, "VmData: %lu kB", &kib);
    fclose(file);
    return (rlim_t)kib << 10;
}

static void only_what_is_used_counts_as_memory(void **state)
{
    (void)state;
    struct trace_chunks *chunks = MEM_NEW(struct trace_chunks);
    struct trace_source source = {.has_ended = false};
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    small = before;
    small.rlim_cur = data_bytes() + (64 << 20);
    assert_int_equal(setrlimit(RLIMIT_DATA, &small), 0);
    trace_chunks_init(chunks);
    chunks->limit = 1;
    struct trace_chunk *chunk = trace_chunks_take(chunks, &source, 1);
    assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
    assert_non_null(chunk);
    munmap(chunks->memory, TRACE_CHUNKS_MAX * TRACE_CHUNK_BYTES);
    mem_free(chunks);
}

static void threads_record_while_memory_is_given_back(void **state)
{
    (void)state;
    uint64_t first;
    struct list shed;
    trace_recorder_configure(recorder, 64 * CHUNK_BYTES);
    record_numbers(0, 64 * CHUNK_RECORDS);
    pthread_mutex_lock(&recorder->lock);
    recorder->chunks.limit = 8;
    assert_true(trace_chunks_shed(&recorder->chunks, &shed));
    assert_false(list_empty(&shed));
    pthread_mutex_unlock(&recorder->lock);
    record_numbers(64 * CHUNK_RECORDS, 4 * CHUNK_RECORDS);
    trace_chunks_cool(&recorder->chunks, &shed);
    pthread_mutex_lock(&recorder->lock);
    trace_chunks_put_back(&recorder->chunks, &shed);
    pthread_mutex_unlock(&recorder->lock);
    trace_recorder_configure(recorder, 8 * CHUNK_BYTES);

    assert_true(trace_recorder_stats(recorder).held_bytes <= 8 * CHUNK_BYTES);
    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    uint64_t count = read_numbers(reader, &first, TRACE_PROGRESS_END);
    assert_int_equal(first + count, 68 * CHUNK_RECORDS);
    assert_true(count >= 4 * CHUNK_RECORDS);
    trace_reader_close(reader);
}

static void memory_follows_the_configuration(void **state)
{
    (void)state;
    uint64_t first;
    trace_recorder_configure(recorder, 64 * CHUNK_BYTES);
    record_numbers(0, 100 * CHUNK_RECORDS);
    trace_recorder_configure(recorder, 8 * CHUNK_BYTES);
    assert_true(trace_recorder_stats(recorder).held_bytes <= 8 * CHUNK_BYTES);
    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    uint64_t count = read_numbers(reader, &first, TRACE_PROGRESS_END);
    assert_int_equal(first + count, 100 * CHUNK_RECORDS);
    assert_in_range(count, 1, 8 * CHUNK_RECORDS);
    trace_reader_close(reader);
}

static void fill_chunk(uint64_t *number)
{
    do
        record_numbers((*number)++, 1);
    while (atomic_load(&trace_writer.chunk->used) + 2 <= trace_writer.chunk->capacity);
}

/* As a virtual machine's may that moves to another host. */
static void a_clock_that_goes_back_leaves_no_gap_in_a_window(void **state)
{
    (void)state;
    uint64_t number = 0, first;
    trace_recorder_configure(recorder, 1 << 20);
    fill_chunk(&number);
    trace_writer.last_ticks += 1ull << 40;
    fill_chunk(&number);
    usleep(10000);
    uint64_t since_ns = clock_monotonic_ns(), later = number;
    usleep(10000);
    uint64_t later_ns = clock_monotonic_ns();
    fill_chunk(&number);

    struct trace_reader *reader = trace_reader_open(recorder, clock_monotonic_ns() - since_ns, false);
    first = number;
    uint64_t count = read_numbers(reader, &first, TRACE_PROGRESS_END);
    assert_int_equal(first + count, number);
    assert_true(first == later || (first > later && trace_reader_start_ns(reader) > later_ns)); /* asked late */
    trace_reader_close(reader);
}

static uint64_t last_look_ns(void)
{
    pthread_mutex_lock(&recorder->lock);
    uint64_t ns = recorder->clock.newest.ns;
    pthread_mutex_unlock(&recorder->lock);
    return ns;
}

static void a_reader_looks_only_now_and_then(void **state)
{
    (void)state;
    struct trace_item item;
    trace_recorder_configure(recorder, 1 << 20);
    struct trace_reader *reader = trace_reader_open(recorder, 0, false);
    bool looked = true;
    for (unsigned tries = 0; looked && tries < 1000; tries++) { /* this thread may have been away for long */
        uint64_t before_ns = last_look_ns();
        assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_WAIT);
        looked = last_look_ns() != before_ns;
    }
    assert_false(looked);
    trace_reader_stop(reader);
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_END);
    trace_reader_close(reader);
}

/* --- on and off --- */

static void a_new_session_knows_nothing_of_the_old(void **state)
{
    (void)state;
    uint64_t first;
    assert_false(trace_is_on());
    trace_recorder_configure(recorder, 1 << 20);
    assert_true(trace_is_on());
    record_numbers(0, 3 * CHUNK_RECORDS);

    trace_recorder_configure(recorder, 0);
    assert_false(trace_is_on());
    assert_true(trace_recorder_stats(recorder).held_bytes <= 2 * CHUNK_BYTES); /* of the threads that have recorded */
    assert_int_equal(trace_recorder_stats(recorder).history_ns, 0);
    record_numbers(100000, 10);

    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(200000, 5);
    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    assert_int_equal(read_numbers(reader, &first, TRACE_PROGRESS_END), 5);
    assert_int_equal(first, 200000);
    trace_reader_close(reader);
}

static void it_records_as_long_as_somebody_reads(void **state)
{
    (void)state;
    struct trace_reader *one = trace_reader_open(recorder, 0, true);
    assert_true(trace_is_on());
    assert_int_equal(trace_depth, TRACE_DEPTH_FULL);
    struct trace_reader *other = trace_reader_open(recorder, 0, false);
    trace_reader_close(one);
    assert_true(trace_is_on());
    assert_int_equal(trace_depth, TRACE_DEPTH_SHORT);
    trace_reader_close(other);
    assert_false(trace_is_on());
}

/* --- records that are not like the others --- */

static void expect_number(struct trace_reader *reader, struct trace_item *item, uint64_t number)
{
    assert_int_equal(next_item(reader, item), TRACE_PROGRESS_ITEM);
    assert_int_equal(trace_type(item->record), TRACE_TASK_UNPARK);
    assert_int_equal(trace_argument(item->record), number);
}

static void a_call_comes_when_it_began(void **state)
{
    (void)state;
    trace_recorder_configure(recorder, 1 << 20);
    uint64_t long_ago = trace_ticks();
    record_numbers(1, 1);
    trace_call_done("open", long_ago); /* before the thread's last record: it began right after that */
    uint64_t begun = trace_call_begin();
    record_on_another_thread(2);
    usleep(100);
    trace_call_end("fsync", begun);
    record_numbers(3, 1);

    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    struct trace_item item;
    expect_number(reader, &item, 1);
    uint64_t one_ns = item.time_ns;
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_ITEM);
    if (strcmp((const char *)(uintptr_t)trace_argument(item.record), "open") == 0) { /* if it took 2 us by then */
        assert_true(item.time_ns - one_ns <= 1);
        assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_ITEM);
    }
    assert_int_equal(trace_type(item.record), TRACE_CALL);
    assert_string_equal((const char *)(uintptr_t)trace_argument(item.record), "fsync");
    uint64_t begin_ns = item.time_ns, end_ns = begin_ns + item.call_ns;
    expect_number(reader, &item, 2);
    assert_true(begin_ns <= item.time_ns && item.time_ns < end_ns);
    expect_number(reader, &item, 3);
    assert_true(item.time_ns + 1 >= end_ns); /* rounded */
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_END);
    trace_reader_close(reader);
}

/* It is the silence of its thread that makes it special: seconds, on most machines. */
static void a_call_that_lasts_longer_than_records_count_has_its_length(void **state)
{
    (void)state;
    struct trace_item item;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(1, 1);
    uint64_t begun = trace_call_begin(), begun_ns = clock_monotonic_ns();
    usleep(100);
    uint64_t took_ns = clock_monotonic_ns() - begun_ns;
    trace_writer.last_ticks -= 1ull << 40; /* as if it were long ago */
    trace_call_end("fdatasync", begun);

    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    expect_number(reader, &item, 1);
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_ITEM);
    assert_int_equal(trace_type(item.record), TRACE_CALL);
    assert_true(item.call_ns > took_ns / 2); /* another clock's */
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_END);
    trace_reader_close(reader);
}

static void silence_is_no_item(void **state)
{
    (void)state;
    struct trace_item item;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(1, 1);
    uint64_t before_ns = clock_monotonic_ns();
    trace_writer.last_ticks -= 1ull << 40; /* as if it were long ago */
    record_numbers(2, 1);
    uint64_t after_ns = clock_monotonic_ns();

    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    expect_number(reader, &item, 1);
    expect_number(reader, &item, 2);
    uint64_t time_ns = trace_reader_start_ns(reader) + item.time_ns;
    assert_in_range(time_ns, before_ns - CLOCK_TOLERANCE_NS, after_ns + CLOCK_TOLERANCE_NS);
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_END);
    trace_reader_close(reader);
}

static void damaged_records_end_only_their_threads_part(void **state)
{
    (void)state;
    static const struct {
        unsigned type, more;
    } damages[] = {{TRACE_TASK_YIELD, 200}, {TRACE_TASK_CREATE, 1}, {TRACE_CALL, 0}, {0, 0}, {TRACE_TYPE_COUNT, 0}};
    for (unsigned i = 0; i < ARRAY_COUNT(damages); i++) {
        struct trace_item item;
        trace_recorder_configure(recorder, 1 << 20);
        record_numbers(1, 1);
        struct trace_chunk *chunk = trace_writer.chunk;
        uint32_t used = atomic_load(&chunk->used);
        chunk->records[used] = (struct trace_record){
            .time = (uint32_t)trace_ticks(),
            .word = trace_word((enum trace_type)damages[i].type, TRACE_WAIT_OTHER, damages[i].more, 0),
        };
        memset(&chunk->records[used + 1], 0, sizeof chunk->records[0]);
        atomic_store(&chunk->used, used + 2);
        record_numbers(2, 1);
        record_on_another_thread(3);

        struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
        expect_number(reader, &item, 1);
        expect_number(reader, &item, 3);
        assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_END);
        trace_reader_close(reader);
        trace_recorder_configure(recorder, 0);
    }
}

static void memory_is_counted_while_it_records(void **state)
{
    (void)state;
    trace_recorder_configure(recorder, 1 << 20);
    struct trace_reader *reader = trace_reader_open(recorder, 0, false);
    struct trace_item item = {0};
    enum trace_progress progress;
    while ((progress = trace_reader_next(reader, &item)) == TRACE_PROGRESS_WAIT)
        usleep(1000);
    assert_int_equal(progress, TRACE_PROGRESS_ITEM);
    assert_int_equal(trace_type(item.record), TRACE_HEAP);
    uint64_t resident;
    memcpy(&resident, item.record + 1, sizeof resident);
    assert_true(resident > 0);
    assert_string_equal(item.thread->name, "flight recorder");
    trace_reader_close(reader);
}

static void a_sample_says_when_it_was_taken(void **state)
{
    (void)state;
    trace_recorder_configure(recorder, 1 << 20);
    record_numbers(1, 1);
    struct trace_sample sample = {.ticks = trace_ticks(), .thread_id = 7};
    record_numbers(2, 1);
    trace_cpu_sample(&sample, 5, (const uintptr_t[]){1, 2, 3}, 3);

    struct trace_reader *reader = trace_reader_open(recorder, FOREVER_NS, false);
    struct trace_item item;
    expect_number(reader, &item, 1);
    uint64_t low_ns = item.time_ns;
    expect_number(reader, &item, 2);
    uint64_t high_ns = item.time_ns;
    assert_int_equal(next_item(reader, &item), TRACE_PROGRESS_ITEM);
    assert_int_equal(trace_type(item.record), TRACE_SAMPLE);
    assert_in_range(item.sample_ns, low_ns, high_ns);
    assert_true(item.time_ns >= high_ns);
    trace_reader_close(reader);
}

/* --- slow requests --- */

struct heard {
    _Atomic unsigned count;
    _Atomic uint64_t shortest_ns;
};

static void hear(void *context, const char *name, uint64_t duration_ns)
{
    struct heard *heard = context;
    assert_string_equal(name, "Produce");
    atomic_fetch_add(&heard->count, 1);
    if (duration_ns < atomic_load(&heard->shortest_ns))
        atomic_store(&heard->shortest_ns, duration_ns);
}

static void slow_requests_are_told(void **state)
{
    (void)state;
    struct heard heard = {.shortest_ns = UINT64_MAX};
    trace_recorder_configure(recorder, 1 << 20);
    trace_request_end("Produce", 1000);
    trace_recorder_watch(recorder, 500, hear, &heard);
    trace_request_end("Produce", 499);
    assert_int_equal(heard.count, 0);
    trace_request_end("Produce", 500);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.shortest_ns, 500);
    trace_recorder_watch(recorder, UINT64_MAX, NULL, NULL);
    trace_request_end("Produce", 1000);
    assert_int_equal(heard.count, 1);
}

static atomic_bool writers_end;

static void *end_requests(void *argument)
{
    (void)argument;
    while (!atomic_load(&writers_end))
        trace_request_end("Produce", 1000);
    return NULL;
}

/* Its memory is gone then. */
static void nobody_is_told_after_the_watch_is_over(void **state)
{
    (void)state;
    pthread_t threads[2];
    atomic_store(&writers_end, false);
    trace_recorder_configure(recorder, 1 << 20);
    for (unsigned i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, end_requests, NULL), 0);
    for (unsigned i = 0; i < 200; i++) {
        struct heard *heard = MEM_NEW(struct heard);
        trace_recorder_watch(recorder, 500 + i % 2 * 1000, hear, heard);
        while (i % 2 == 0 && atomic_load(&heard->count) == 0)
            sched_yield();
        trace_recorder_watch(recorder, UINT64_MAX, NULL, NULL);
        mem_free(heard);
    }
    atomic_store(&writers_end, true);
    for (unsigned i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}

/* --- all at once --- */

static void *write_without_end(void *argument)
{
    uint64_t number = *(uint64_t *)argument;
    while (!atomic_load(&writers_end))
        record_numbers(number++, 1);
    return NULL;
}

/* Whatever comes, comes without a hole; until the end, or as much as is enough. */
static void assert_no_hole(struct trace_reader *reader, uint64_t enough)
{
    uint64_t next[THREADS] = {0};
    struct trace_item item;
    enum trace_progress progress;
    for (uint64_t i = 0; i < enough && (progress = await_item(reader, &item)) == TRACE_PROGRESS_ITEM; i++) {
        uint64_t number = trace_argument(item.record), index = number >> 40;
        assert_true(index < THREADS);
        assert_true(next[index] == 0 || next[index] == number);
        next[index] = number + 1;
    }
}

static void readers_come_and_go_while_threads_never_stop(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint64_t first[THREADS];
    atomic_store(&writers_end, false);
    trace_recorder_configure(recorder, 1 << 20);
    for (unsigned i = 0; i < THREADS; i++) {
        first[i] = (uint64_t)i << 40;
        assert_int_equal(pthread_create(&threads[i], NULL, write_without_end, &first[i]), 0);
    }
    for (unsigned i = 0; i < 24; i++) {
        struct trace_reader *along = trace_reader_open(recorder, 0, i % 4 == 0);
        trace_recorder_configure(recorder, i % 6 == 5 ? 0 : (i % 3 + 1) * 20 * CHUNK_BYTES);
        struct trace_reader *window = trace_reader_open(recorder, FOREVER_NS, false);
        assert_no_hole(window, UINT64_MAX);
        trace_reader_close(window);
        if (i % 3 == 0)
            trace_reader_stop(along);
        assert_no_hole(along, 3 * CHUNK_RECORDS);
        trace_reader_close(along);
    }
    atomic_store(&writers_end, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_of_several_threads_come_out_in_order),
        TEST(threads_that_come_and_go_while_it_reads_are_whole),
        TEST(what_was_recorded_before_is_not_read_along),
        TEST(the_oldest_chunks_are_used_again),
        TEST(a_window_begins_when_it_says),
        TEST(what_a_reader_has_is_not_used_again),
        TEST(a_reader_that_is_too_slow_is_told_where_it_lost),
        TEST(a_record_that_finds_no_chunk_is_told),
        TEST(threads_that_come_and_go_leave_history_as_it_is),
        TEST(history_behind_what_is_read_makes_room),
        TEST(only_what_is_used_counts_as_memory),
        TEST(threads_record_while_memory_is_given_back),
        TEST(memory_follows_the_configuration),
        TEST(a_clock_that_goes_back_leaves_no_gap_in_a_window),
        TEST(a_reader_looks_only_now_and_then),
        TEST(a_new_session_knows_nothing_of_the_old),
        TEST(it_records_as_long_as_somebody_reads),
        TEST(a_call_comes_when_it_began),
        TEST(a_call_that_lasts_longer_than_records_count_has_its_length),
        TEST(silence_is_no_item),
        TEST(damaged_records_end_only_their_threads_part),
        TEST(memory_is_counted_while_it_records),
        TEST(a_sample_says_when_it_was_taken),
        TEST(slow_requests_are_told),
        TEST(nobody_is_told_after_the_watch_is_over),
        TEST(readers_come_and_go_while_threads_never_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
