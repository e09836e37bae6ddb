/* list_offsets.c: ListOffsets: the offset that belongs to a time. */
#include "broker/handlers.h"

#include "base/error.h"
#include "base/trace.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/list_offsets.h"
#include "storage/log.h"

static void look_up(struct storage_log *log, int64_t timestamp, struct list_offsets_response_partition *out)
{
    if (!log) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (timestamp == LIST_OFFSETS_LATEST_TIERED) /* there are no tiers: nothing found, which is no error */
        return;
    if (timestamp == LIST_OFFSETS_EARLIEST_LOCAL) /* without tiers all is local */
        timestamp = LIST_OFFSETS_EARLIEST;
    int rc = storage_log_offset_for_time(log, timestamp, &out->offset, &out->timestamp);
    if (rc == ERR_NOT_FOUND) {
        out->offset = out->timestamp = -1;
        return;
    }
    out->error_code = topic_error(rc);
    if (rc == 0)
        out->leader_epoch = 0;
}

void kafka_handler_list_offsets(struct request *request)
{
    const struct list_offsets_request *in = request->in;
    struct list_offsets_response *out = request->out;

    trace_region_next("lookup");
    out->topics.count = in->topics.count;
    out->topics.items = CODEC_NEW(request->arena, list_offsets_response_topic, in->topics.count);
    for (size_t i = 0; i < in->topics.count; i++) {
        const struct list_offsets_request_topic *topic_in = &in->topics.items[i];
        struct list_offsets_response_topic *topic_out = &out->topics.items[i];
        struct storage_topic *topic = topic_by_name(request, topic_in->name);

        topic_out->name = topic_in->name;
        topic_out->partitions.count = topic_in->partitions.count;
        topic_out->partitions.items =
            CODEC_NEW(request->arena, list_offsets_response_partition, topic_in->partitions.count);
        for (size_t j = 0; j < topic_in->partitions.count; j++) {
            const struct list_offsets_request_partition *partition_in = &topic_in->partitions.items[j];
            struct list_offsets_response_partition *partition_out = &topic_out->partitions.items[j];
            partition_out->partition_index = partition_in->partition_index;
            look_up(topic_log(topic, partition_in->partition_index), partition_in->timestamp, partition_out);
        }
    }
}
