/* test_failure.c: a disk that is full, a disk that fails, and a process that is killed. */
#include "fixture.h"

#include "runtime/lock.h"
#include "runtime/task.h"
#include "storage/log_private.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Ours instead of libc's, in this program: calls that signals interrupt, as on a file system in FUSE. While told to,
 * each other one of them fails. */
static atomic_bool are_interrupted;
static atomic_uint interrupted_count;
static bool is_interrupted(void)
{
    static _Thread_local bool was;
    was = atomic_load(&are_interrupted) && !was;
    interrupted_count += was;
    errno = was ? EINTR : errno;
    return was;
}
int fsync(int fd)
{
    return is_interrupted() ? -1 : (int)syscall(SYS_fsync, fd);
}
int ftruncate(int fd, off_t size)
{
    return is_interrupted() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}
int rename(const char *from, const char *to)
{
    return is_interrupted() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* And a disk that fails when told to. */
static atomic_bool disk_fails;
int fdatasync(int fd)
{
    if (is_interrupted())
        return -1;
    if (atomic_load(&disk_fails)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* The same for removing: the first one after `hold_removal` was set says so and waits. */
static atomic_bool hold_removal;
static sem_t removal_held, removal_goes_on;
static void wait_if_held(void)
{
    if (atomic_exchange(&hold_removal, false)) {
        sem_post(&removal_held);
        sem_wait(&removal_goes_on);
    }
}
int unlink(const char *path)
{
    if (is_interrupted())
        return -1;
    wait_if_held();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int unlinkat(int folder, const char *path, int flags)
{
    if (is_interrupted())
        return -1;
    wait_if_held();
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

/* No file may grow beyond this; what fits is written, as with a full disk. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    ASSERT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes;
    ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static const struct batch_spec hundred_bytes = {.records = 1, .value_bytes = 32};

static int error_lines;
static void count_errors(const char *line, void *context)
{
    (void)context;
    error_lines += strstr(line, "partition is read-only") != NULL;
}

static void write_to_the_limit(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture), *other;
    struct storage_log *log = topic->logs[0];
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("other"), 1, &other) == 0);
    for (int i = 0; i < 4; i++)
        append_ok(log, &hundred_bytes);
    int64_t offset;
    limit_files(450);
    TASK_CHECK(append_spec(log, &hundred_bytes, &offset) == ERR_IO);
    TASK_CHECK(append_ok(other->logs[0], &hundred_bytes) == 0);
    limit_files(RLIM_INFINITY);
    /* Read-only from now on, also when there is room again; what was acknowledged is there, what was not is gone. */
    TASK_CHECK(append_spec(log, &hundred_bytes, &offset) == ERR_IO);
    TASK_CHECK(storage_log_flush(log) == ERR_IO);
    TASK_CHECK(storage_log_failed(log) && !storage_log_failed(other->logs[0]));
    TASK_CHECK(storage_log_end_offset(log) == 4);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000000.log")) == 400);
    struct storage_slice slice;
    TASK_CHECK(storage_log_read(log, 0, NO_LIMIT, true, &slice) == 0 && slice.size == 400);
    storage_slice_release(&slice);
    storage_topic_release(other);
    storage_topic_release(topic);
}

static void read_after_failure(void *argument)
{
    struct storage_topic *topic = topic_t(argument);
    TASK_CHECK(storage_log_end_offset(topic->logs[0]) == 4);
    TASK_CHECK(append_ok(topic->logs[0], &hundred_bytes) == 4);
    storage_topic_release(topic);
}

static void a_full_disk_makes_one_partition_read_only(void **state)
{
    struct fixture *fixture = *state;
    signal(SIGXFSZ, SIG_IGN);
    error_lines = 0;
    log_configure((struct log_options){.level = LOG_ERROR});
    log_redirect(count_errors, NULL);
    fixture_open(fixture);
    task_test_run_with(write_to_the_limit, fixture);
    fixture_close(fixture);
    log_redirect(NULL, NULL);
    assert_int_equal(error_lines, 1);
    /* Such an end is no proper one; the next start checks, and the partition can be written again. */
    fixture_open(fixture);
    assert_false(fixture->report.was_clean);
    assert_int_equal(fixture->report.bytes_cut, 0);
    task_test_run_with(read_after_failure, fixture);
}

static void fail_to_flush(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    int64_t offset;
    append_ok(log, &hundred_bytes);
    atomic_store(&disk_fails, true);
    TASK_CHECK(append_spec(log, &hundred_bytes, &offset) == ERR_IO);
    atomic_store(&disk_fails, false);
    /* Never acknowledged, so never seen; and a flush that works now would prove nothing. */
    TASK_CHECK(storage_log_end_offset(log) == 1);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000000.log")) == 100);
    TASK_CHECK(append_spec(log, &hundred_bytes, &offset) == ERR_IO);
    TASK_CHECK(log_recovery_point(log) == 1);
    storage_topic_release(topic);
}

static void a_failed_flush_is_never_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.flush_messages = 1;
    fixture_open(fixture);
    task_test_run_with(fail_to_flush, fixture);
}

static void work_interrupted(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    for (int i = 0; i < 5; i++)
        TASK_CHECK(append_ok(topic->logs[0], &hundred_bytes) == i);
    storage_maintain_once(fixture->storage); /* removes all but the last segment */
    TASK_CHECK(storage_log_start_offset(topic->logs[0]) == 5);
    TASK_CHECK(!storage_log_failed(topic->logs[0]));
    storage_topic_release(topic);
    TASK_CHECK(storage_topic_delete(fixture->storage, bytes_of_string("t")) == 0);
}

/* The profiler's signals come to a thread in any of these calls. */
static void interrupted_calls_are_made_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.flush_messages = 1;
    fixture->options.segment_bytes = 200;
    fixture->options.retention_bytes = 0;
    atomic_store(&are_interrupted, true);
    fixture_open(fixture);
    task_test_run_with(work_interrupted, fixture);
    fixture_close(fixture);
    atomic_store(&are_interrupted, false);
    assert_true(atomic_load(&interrupted_count) > 20);
    fixture_open(fixture);
    assert_true(fixture->report.was_clean);
}

struct upkeep {
    struct fixture *fixture;
    struct task_group done;
};

static void maintain_once(void *argument)
{
    struct upkeep *upkeep = argument;
    storage_maintain_once(upkeep->fixture->storage);
    task_group_done(&upkeep->done);
}

static void wait_for_removal(void *unused)
{
    (void)unused;
    sem_wait(&removal_held);
}

static void replace_topic_during_removal(void *argument)
{
    struct fixture *fixture = argument;
    struct upkeep upkeep = {.fixture = fixture};
    struct storage_topic *topic = topic_t(fixture);
    for (int i = 0; i < 5; i++)
        append_ok(topic->logs[0], &hundred_bytes);
    atomic_store(&hold_removal, true);
    task_group_add(&upkeep.done, 1);
    TASK_CHECK(task_spawn("upkeep", maintain_once, &upkeep) != NULL);
    TASK_CHECK(task_offload(WAIT_OFFLOAD, wait_for_removal, NULL) == 0);
    TASK_CHECK(storage_log_start_offset(topic->logs[0]) == 5);
    storage_topic_release(topic);
    TASK_CHECK(storage_topic_delete(fixture->storage, bytes_of_string("t")) == 0);
    topic = topic_t(fixture);
    append_ok(topic->logs[0], &hundred_bytes);
    sem_post(&removal_goes_on);
    TASK_CHECK(task_group_wait(&upkeep.done, TIMEOUT_NEVER) == 0);
    storage_topic_release(topic);
}

/* Its partition's folder has the same name as the one that segments are to go from, and its segments as well. */
static void retention_removes_nothing_of_a_later_topic(void **state)
{
    struct fixture *fixture = *state;
    sem_init(&removal_held, 0, 0);
    sem_init(&removal_goes_on, 0, 0);
    fixture->options.segment_bytes = 200;
    fixture->options.retention_bytes = 0;
    fixture_open(fixture);
    task_test_run_with(replace_topic_during_removal, fixture);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000000.log")), 100);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000000.index")), 0);
}

/* The child's task: append for ever, and tell each acknowledged offset through the pipe. */
struct child {
    struct fixture *fixture;
    int pipe;
};

static void append_until_killed(void *argument)
{
    const struct child *child = argument;
    struct storage_topic *topic = topic_t(child->fixture);
    for (int32_t sequence = 0;; sequence++) {
        int64_t offset = append_ok(topic->logs[0], &(struct batch_spec){.records = 1,
                                                                        .value_bytes = (size_t)(sequence % 40),
                                                                        .producer_id_plus_1 = getpid(),
                                                                        .sequence = sequence});
        if (write(child->pipe, &offset, sizeof offset) != (ssize_t)sizeof offset)
            _exit(1);
    }
}

static int64_t run_and_kill(struct fixture *fixture, int acknowledged_before_kill)
{
    int ends[2];
    ASSERT(pipe(ends) == 0);
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        struct child child = {.fixture = fixture, .pipe = ends[1]};
        fixture_open(fixture);
        task_test_run_with(append_until_killed, &child);
        _exit(1);
    }
    close(ends[1]);
    int64_t offset, last = -1;
    for (int i = 0; read(ends[0], &offset, sizeof offset) == (ssize_t)sizeof offset; i++) {
        assert_true(last < 0 || offset == last + 1);
        last = offset;
        if (i == acknowledged_before_kill)
            kill(pid, SIGKILL);
    }
    close(ends[0]);
    int status;
    ASSERT(waitpid(pid, &status, 0) == pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

struct verified {
    struct fixture *fixture;
    int64_t last_acknowledged;
};

/* Every batch from the start on, in order, once, as far as was acknowledged at least. */
static void verify_batches(void *argument)
{
    const struct verified *verified = argument;
    struct storage_topic *topic = topic_t(verified->fixture);
    struct storage_log *log = topic->logs[0];
    int64_t offset = 0;
    struct buf got;
    buf_init(&got);
    for (;;) {
        struct storage_slice slice;
        struct record_batch batch;
        TASK_CHECK(storage_log_read(log, offset, 0, true, &slice) == 0);
        if (slice.size == 0)
            break;
        buf_clear(&got);
        read_slice(&slice, &got);
        TASK_CHECK(record_batch_parse(buf_bytes(&got), &batch) == 0 && record_batch_check_crc(&batch) == 0);
        TASK_CHECK(batch.base_offset == offset);
        offset = record_batch_last_offset(&batch) + 1;
        storage_slice_release(&slice);
    }
    TASK_CHECK(offset == storage_log_end_offset(log) && offset > verified->last_acknowledged);
    buf_deinit(&got);
    storage_topic_release(topic);
}

/* In a process of its own, so that the next child is forked from one without threads. */
static void verify_in_child(struct fixture *fixture, int64_t last_acknowledged)
{
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
        struct verified verified = {.fixture = fixture, .last_acknowledged = last_acknowledged};
        fixture_open(fixture);
        ASSERT(!fixture->report.was_clean);
        task_test_run_with(verify_batches, &verified);
        fixture_close(fixture);
        _exit(0);
    }
    int status;
    ASSERT(waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void kill_loses_nothing_that_was_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 5000;
    fixture->options.index_interval_bytes = 500;
    for (int i = 0; i < 10; i++) {
        int64_t last = run_and_kill(fixture, 17 * (i + 1));
        verify_in_child(fixture, last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(kill_loses_nothing_that_was_acknowledged), /* first: it forks, and no thread runs yet */
        STORAGE_TEST(a_full_disk_makes_one_partition_read_only),
        STORAGE_TEST(retention_removes_nothing_of_a_later_topic),
        STORAGE_TEST(a_failed_flush_is_never_acknowledged),
        STORAGE_TEST(interrupted_calls_are_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
