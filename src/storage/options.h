/* options.h: what the storage is told by the configuration. */
#ifndef STORAGE_OPTIONS_H
#define STORAGE_OPTIONS_H

#include <stdint.h>

struct storage_options {
    const char *data_dir;             /* made if missing */
    int32_t node_id;                  /* written to meta.properties; another one there is an error */
    int64_t segment_bytes;            /* roll to a new segment beyond this */
    int64_t segment_age_ms;           /* or once its first batch is older */
    int64_t index_interval_bytes;     /* one index entry per so many bytes of log */
    int64_t retention_ms;             /* delete segments whose newest batch is older; -1: keep */
    int64_t retention_bytes;          /* per partition, delete the oldest segments beyond; -1: keep */
    int64_t retention_check_ms;       /* how often both are looked at */
    int64_t flush_messages;           /* fsync after so many messages of a partition; 0: leave it to the kernel */
    int64_t flush_ms;                 /* fsync what is older; 0: leave it to the kernel */
};

#endif
