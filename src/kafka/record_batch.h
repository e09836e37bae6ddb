/* record_batch.h: the batch header of Kafka's message format v2, on the wire and in log files alike. Pure.
 *
 * Layout (kafka.apache.org, "Record Batch"): baseOffset i64, batchLength i32 (of what follows it),
 * partitionLeaderEpoch i32, magic i8 = 2, crc u32 (CRC-32C of attributes to end), attributes i16,
 * lastOffsetDelta i32, baseTimestamp i64, maxTimestamp i64, producerId i64, producerEpoch i16, baseSequence i32,
 * recordCount i32, records. Big-endian. */
#ifndef KAFKA_RECORD_BATCH_H
#define KAFKA_RECORD_BATCH_H

#include "base/bytes.h"
#include "base/check.h"

#include <stdint.h>

#define RECORD_BATCH_HEADER_BYTES 61u
#define RECORD_BATCH_LENGTH_OFFSET 12u /* baseOffset and batchLength are not part of batchLength */

enum record_batch_attributes {
    RECORD_BATCH_CODEC_MASK = 0x07, /* 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd */
    RECORD_BATCH_LOG_APPEND_TIME = 0x08,
    RECORD_BATCH_TRANSACTIONAL = 0x10,
    RECORD_BATCH_CONTROL = 0x20,
};

struct record_batch {
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp; /* ms since 1970; -1: none */
    int64_t producer_id;                   /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    struct bytes whole; /* view of the batch with its header */
};

/* Read the header of the first batch in `input`; the bytes behind it are counted, not looked at. ERR_TRUNCATED: the
 * batch goes on behind the end (or not even a header is there). ERR_UNSUPPORTED: a magic other than 2. ERR_MALFORMED:
 * lengths or counts that cannot be. */
int record_batch_parse(struct bytes input, struct record_batch *batch) MUST_USE;
/* 0, or ERR_CORRUPT when the checksum does not match. */
int record_batch_check_crc(const struct record_batch *batch) MUST_USE;
/* The offset of its last record. */
int64_t record_batch_last_offset(const struct record_batch *batch);

/* Whether a producer may send such a batch: at least one record, offsets without gaps, no control batch, a known codec,
 * a sequence number if it has a producer id. The framing of each record is walked if they are not compressed; the
 * checksum is not looked at. ERR_MALFORMED, or ERR_UNSUPPORTED for the codec. */
int record_batch_check_produced(const struct record_batch *batch) MUST_USE;

/* One record of a batch that is not compressed. */
struct record {
    int64_t timestamp_delta; /* ms, to the batch's base_timestamp */
    int32_t offset_delta;    /* to its base_offset */
    struct bytes key, value; /* null: data is NULL */
    int32_t header_count;
    struct bytes headers; /* as they are on the wire */
};
/* What record_next reads from, at the start. Empty for a compressed batch. */
struct bytes record_batch_records(const struct record_batch *batch);
/* Take the first record off *rest. ERR_TRUNCATED, or ERR_MALFORMED. */
int record_next(struct bytes *rest, struct record *record) MUST_USE;

/* Write what the broker decides into the batch at `data`; both fields lie outside the checksum. */
void record_batch_assign(uint8_t *data, int64_t base_offset, int32_t leader_epoch);

#endif
