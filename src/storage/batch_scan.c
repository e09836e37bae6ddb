/* batch_scan.c: walk the record batches of a log file by their headers. */
#include "storage/batch_scan.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "base/mem.h"
#include "storage/files.h"

#define CRC_CHUNK_BYTES (64u * 1024)
#define CRC_FROM 21 /* attributes: the checksum covers what follows itself */

void batch_scan_init(struct batch_scan *scan, int fd, int64_t position, int64_t end)
{
    scan->fd = fd;
    scan->batch_position = scan->position = position;
    scan->end = end;
    scan->window_position = 0;
    scan->window_size = 0;
}

/* Have the header at scan->position in the window. */
static int fill_window(struct batch_scan *scan)
{
    int64_t window_end = scan->window_position + (int64_t)scan->window_size;
    if (scan->position >= scan->window_position && scan->position + RECORD_BATCH_HEADER_BYTES <= window_end)
        return 0;
    scan->window_position = scan->position;
    int rc = file_read_at(scan->fd, scan->window, sizeof scan->window, scan->position, &scan->window_size);
    if (rc == 0 && scan->window_size < RECORD_BATCH_HEADER_BYTES)
        rc = ERR_TRUNCATED;
    return rc;
}

int batch_scan_next(struct batch_scan *scan, struct record_batch *batch)
{
    int64_t left = scan->end - scan->position;
    if (left <= 0)
        return 0;
    if (left < RECORD_BATCH_HEADER_BYTES)
        return ERR_TRUNCATED;
    int rc = fill_window(scan);
    if (rc != 0)
        return rc;
    /* The view claims the rest of the file, so that the length is held against it. Parsing looks at the header only,
     * which is all that the window is sure to have. */
    const uint8_t *header = scan->window + (scan->position - scan->window_position);
    rc = record_batch_parse(bytes_of(header, (size_t)left), batch);
    if (rc != 0)
        return rc;
    batch->whole.data = NULL;
    scan->batch_position = scan->position;
    scan->position += (int64_t)batch->whole.size;
    return 1;
}

int batch_scan_check_crc(const struct batch_scan *scan, const struct record_batch *batch)
{
    size_t chunk_size = batch->whole.size < CRC_CHUNK_BYTES ? batch->whole.size : CRC_CHUNK_BYTES;
    uint8_t *chunk = mem_alloc(chunk_size);
    uint32_t crc = 0;
    int rc = 0;
    for (size_t done = CRC_FROM, got = 0; rc == 0 && done < batch->whole.size; done += got) {
        size_t left = batch->whole.size - done, want = left < chunk_size ? left : chunk_size;
        rc = file_read_at(scan->fd, chunk, want, scan->batch_position + (int64_t)done, &got);
        if (rc == 0 && got < want)
            rc = ERR_CORRUPT;
        crc = crc32c_extend(crc, bytes_of(chunk, got));
    }
    mem_free(chunk);
    return rc != 0 ? rc : crc == batch->crc ? 0 : ERR_CORRUPT;
}
