/* log_flush.c: bringing a partition to the disk while others go on. */
#include "storage/log_private.h"

#include "base/error.h"
#include "base/mem.h"
#include "runtime/task.h"
#include "storage/files.h"

/* The segments that a flush has to bring to the disk; held, since retention may remove them meanwhile. */
struct flush_job {
    struct storage_segment **segments;
    size_t count;
    bool all_files; /* of the last segment too */
    char *folder;   /* NULL, or has new names in it */
    int64_t end_offset;
    int result;
};

static void begin_flush(struct storage_log *log, int64_t end_offset, struct flush_job *job)
{
    /* A segment that ends at the recovery point was the active one then: its indexes are not on the disk yet. */
    size_t first = log->segment_count - 1;
    while (first > 0 && log->segments[first]->base_offset >= log->recovery_point)
        first--;
    *job = (struct flush_job){.count = log->segment_count - first, .end_offset = end_offset};
    job->segments = mem_alloc_array(job->count, sizeof job->segments[0]);
    for (size_t i = 0; i < job->count; i++) {
        job->segments[i] = log->segments[first + i];
        segment_acquire(job->segments[i]);
    }
    if (job->count > 1)
        job->folder = mem_copy_string(log->path);
    log->unflushed_messages = 0;
    log->unflushed_since_ns = 0;
}

/* Mostly on the thread pool. The indexes of the last segment need no sync: it is walked after a crash in any case. */
static void run_flush(void *argument)
{
    struct flush_job *job = argument;
    for (size_t i = 0; job->result == 0 && i < job->count; i++)
        job->result = segment_sync(job->segments[i], job->all_files || i + 1 < job->count);
    if (job->result == 0 && job->folder)
        job->result = folder_sync(job->folder);
}

/* Under append_lock again: note how far the disk is, or that it failed. */
static int end_flush(struct storage_log *log, struct flush_job *job, int rc)
{
    for (size_t i = 0; i < job->count; i++)
        segment_release(job->segments[i]);
    mem_free(job->segments);
    mem_free(job->folder);
    if (log->deleted)
        return ERR_CLOSED; /* meanwhile, so that its folder has another name */
    if (rc != 0)
        return rc; /* cancelled, nothing was tried */
    if (job->result != 0) {
        /* What the kernel failed to write it may forget: a later fsync that succeeds would prove nothing. */
        log_fail(log, "flushing", job->result);
        return ERR_IO;
    }
    if (job->end_offset > log->recovery_point)
        log->recovery_point = job->end_offset;
    return 0;
}

int log_flush_held(struct storage_log *log, int64_t end_offset)
{
    ASSERT(task_mutex_held(&log->append_lock));
    struct flush_job job;
    begin_flush(log, end_offset, &job);
    return end_flush(log, &job, task_offload(WAIT_FSYNC, run_flush, &job));
}

int storage_log_flush(struct storage_log *log)
{
    struct flush_job job;
    task_mutex_lock(&log->append_lock);
    int rc = log->deleted ? ERR_CLOSED : storage_log_failed(log) ? ERR_IO : 0;
    if (rc == 0 && log->recovery_point < log->end_offset) {
        begin_flush(log, log->end_offset, &job);
        /* Appends go on while the disk works. */
        task_mutex_unlock(&log->append_lock);
        rc = task_offload(WAIT_FSYNC, run_flush, &job);
        task_mutex_lock(&log->append_lock);
        rc = end_flush(log, &job, rc);
    }
    task_mutex_unlock(&log->append_lock);
    return rc;
}

int log_flush_last(struct storage_log *log)
{
    struct flush_job job;
    begin_flush(log, log->end_offset, &job);
    job.all_files = true;
    run_flush(&job);
    return end_flush(log, &job, 0);
}
