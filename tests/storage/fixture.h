/* fixture.h: a temporary data folder, batches to put into it, and steps that every test of the storage takes. */
#ifndef STORAGE_FIXTURE_H
#define STORAGE_FIXTURE_H

#include "../support/task_test.h"
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "kafka/record_batch.h"
#include "storage/big_endian.h"
#include "storage/log.h"
#include "storage/storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_LIMIT ((size_t)INT32_MAX)

/* What a batch says; zeroed but for `records`: records without a producer, at time 0. */
struct batch_spec {
    int32_t records;
    size_t value_bytes;         /* of each record, below 50 */
    int64_t timestamp;          /* of the first record, ms */
    int64_t timestamp_step;     /* to each next one */
    int64_t producer_id_plus_1; /* 0: none */
    int16_t producer_epoch;
    int32_t sequence;
    int16_t attributes;
    char fill;                  /* of the values; 0: 'v' */
};

/* One record of 2 bytes of varints and less than 64 bytes of body. */
static inline void put_record(struct buf *buf, const struct batch_spec *spec, int32_t index)
{
    struct buf body;
    buf_init(&body);
    buf_append_byte(&body, 0);
    uint64_t delta = (uint64_t)(spec->timestamp_step * index) << 1;
    for (; delta >= 0x80; delta >>= 7)
        buf_append_byte(&body, (uint8_t)(delta | 0x80));
    buf_append_byte(&body, (uint8_t)delta);
    for (delta = (uint64_t)index << 1; delta >= 0x80; delta >>= 7)
        buf_append_byte(&body, (uint8_t)(delta | 0x80));
    buf_append_byte(&body, (uint8_t)delta);
    buf_append_byte(&body, 1); /* no key */
    buf_append_byte(&body, (uint8_t)(spec->value_bytes << 1));
    memset(buf_reserve(&body, spec->value_bytes), spec->fill ? spec->fill : 'v', spec->value_bytes);
    body.size += spec->value_bytes;
    buf_append_byte(&body, 0); /* no headers */
    ASSERT(body.size < 64);
    buf_append_byte(buf, (uint8_t)(body.size << 1));
    buf_append_bytes(buf, buf_bytes(&body));
    buf_deinit(&body);
}

/* Append a whole batch to buf. */
static inline void put_batch(struct buf *buf, const struct batch_spec *spec)
{
    size_t begin = buf->size;
    memset(buf_reserve(buf, RECORD_BATCH_HEADER_BYTES), 0, RECORD_BATCH_HEADER_BYTES);
    buf->size += RECORD_BATCH_HEADER_BYTES;
    for (int32_t i = 0; i < spec->records; i++)
        put_record(buf, spec, i);
    uint8_t *header = buf->data + begin;
    size_t size = buf->size - begin;
    int64_t producer_id = spec->producer_id_plus_1 - 1;
    big_endian_write_32(header + 8, (int32_t)size - 12);
    big_endian_write_32(header + 12, -1);
    header[16] = 2;
    header[21] = (uint8_t)(spec->attributes >> 8);
    header[22] = (uint8_t)spec->attributes;
    big_endian_write_32(header + 23, spec->records - 1);
    big_endian_write_64(header + 27, spec->timestamp);
    big_endian_write_64(header + 35, spec->timestamp + spec->timestamp_step * (spec->records - 1));
    big_endian_write_64(header + 43, producer_id);
    header[51] = (uint8_t)((producer_id < 0 ? -1 : spec->producer_epoch) >> 8);
    header[52] = (uint8_t)(producer_id < 0 ? -1 : spec->producer_epoch);
    big_endian_write_32(header + 53, producer_id < 0 ? -1 : spec->sequence);
    big_endian_write_32(header + 57, spec->records);
    big_endian_write_32(header + 17, (int32_t)crc32c(bytes_of(header + 21, size - 21)));
}

/* Build and append; the result of storage_log_append. */
static inline int append_spec(struct storage_log *log, const struct batch_spec *spec, int64_t *base_offset)
{
    struct buf buf;
    buf_init(&buf);
    put_batch(&buf, spec);
    int rc = storage_log_append(log, buf.data, buf.size, NO_LIMIT, base_offset);
    buf_deinit(&buf);
    return rc;
}

/* The same for a test that goes on only if it worked; returns the offset. */
static inline int64_t append_ok(struct storage_log *log, const struct batch_spec *spec)
{
    int64_t offset = -1;
    TASK_CHECK(append_spec(log, spec, &offset) == 0);
    return offset;
}

/* The bytes of a slice. */
static inline void read_slice(const struct storage_slice *slice, struct buf *buf)
{
    ASSERT(pread(slice->fd, buf_reserve(buf, slice->size), slice->size, slice->position) == (ssize_t)slice->size);
    buf->size += slice->size;
}

struct fixture {
    char folder[64];
    struct storage_options options;
    struct storage *storage;
    struct storage_report report;
};

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = MEM_NEW(struct fixture);
    strcpy(fixture->folder, "/tmp/takhin-storage-XXXXXX");
    ASSERT(mkdtemp(fixture->folder) != NULL);
    fixture->options = (struct storage_options){
        .data_dir = fixture->folder,
        .node_id = 1,
        .segment_bytes = 1 << 20,
        .segment_age_ms = 1000000000,
        .index_interval_bytes = 4096,
        .retention_ms = -1,
        .retention_bytes = -1,
        .retention_check_ms = 300000,
    };
    log_configure((struct log_options){.level = LOG_ERROR + 1});
    *state = fixture;
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void remove_tree(const char *folder)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    storage_close(fixture->storage);
    remove_tree(fixture->folder);
    mem_free(fixture);
    return 0;
}

static inline void fixture_open(struct fixture *fixture)
{
    ASSERT(storage_open(&fixture->storage, &fixture->options, NULL, &fixture->report) == 0);
}

static inline void fixture_close(struct fixture *fixture)
{
    storage_close(fixture->storage);
    fixture->storage = NULL;
}

/* The path of a file of partition "t-0"; NULL name: the folder. Valid until the next call. */
static inline const char *partition_path(const struct fixture *fixture, const char *name)
{
    static _Thread_local char path[256];
    snprintf(path, sizeof path, "%s/t-0%s%s", fixture->folder, name ? "/" : "", name ? name : "");
    return path;
}

static inline struct storage_topic *topic_t(struct fixture *fixture)
{
    struct storage_topic *topic = storage_topic_find(fixture->storage, bytes_of_string("t"));
    if (!topic)
        TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("t"), 1, &topic) == 0);
    return topic;
}

static inline int64_t file_bytes(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : -1;
}

/* The whole file; the caller deinits. */
static inline void load_file(const char *path, struct buf *buf)
{
    buf_init(buf);
    int fd = open(path, O_RDONLY);
    ASSERT(fd >= 0);
    size_t size = (size_t)file_bytes(path);
    ASSERT(read(fd, buf_reserve(buf, size), size) == (ssize_t)size);
    buf->size = size;
    close(fd);
}

static inline void store_file(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT(fd >= 0 && write(fd, content.data, content.size) == (ssize_t)content.size);
    close(fd);
}

#define STORAGE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
