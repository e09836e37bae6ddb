/* produce.c: Produce: append a record batch to each partition named. */
#include "broker/handlers.h"

#include "base/trace.h"
#include "broker/context.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/produce.h"
#include "runtime/task.h"
#include "storage/log.h"

/* Message formats before record batches came with versions 0 to 2. They stay advertised all the same: librdkafka before
 * 2.12 looks for them before it compresses anything (KAFKA-18659). */
#define OLDEST_SERVED_VERSION 3

static int16_t append(struct request *request, struct storage_topic *topic,
                      const struct produce_request_partition *in, struct produce_response_partition *out)
{
    struct storage_log *log = topic_log(topic, in->index);
    if (!log)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (in->records.size == 0)
        return KAFKA_INVALID_RECORD;
    /* Offset and epoch are written into the frame itself, which is ours and read by nobody else. */
    uint8_t *batch = (uint8_t *)(uintptr_t)in->records.data;
    int rc = storage_log_append(log, batch, in->records.size, (size_t)request->context->options.max_message_bytes,
                                &out->base_offset);
    if (rc == 0)
        out->log_start_offset = storage_log_start_offset(log);
    return topic_error(rc);
}

static int16_t refusal(const struct request *request, const struct produce_request *in)
{
    if (request->version < OLDEST_SERVED_VERSION)
        return KAFKA_UNSUPPORTED_VERSION;
    if (in->acks < -1 || in->acks > 1)
        return KAFKA_INVALID_REQUIRED_ACKS;
    if (in->transactional_id.data)
        return KAFKA_INVALID_TXN_STATE; /* no transaction can have been begun here */
    return KAFKA_NONE;
}

void kafka_handler_produce(struct request *request)
{
    const struct produce_request *in = request->in;
    struct produce_response *out = request->out;
    int16_t refused = refusal(request, in);
    bool failed = false;

    out->responses.count = in->topic_data.count;
    out->responses.items = CODEC_NEW(request->arena, produce_response_topic, in->topic_data.count);
    for (size_t i = 0; i < in->topic_data.count; i++) {
        trace_region_next("append");
        const struct produce_request_topic *topic_in = &in->topic_data.items[i];
        struct produce_response_topic *topic_out = &out->responses.items[i];
        struct storage_topic *topic = topic_by_name(request, topic_in->name);

        task_label(LABEL_TOPIC, topic ? label_name_use(topic->label) : NULL);
        topic_out->name = topic_in->name;
        topic_out->partition_responses.count = topic_in->partition_data.count;
        topic_out->partition_responses.items =
            CODEC_NEW(request->arena, produce_response_partition, topic_in->partition_data.count);
        for (size_t j = 0; j < topic_in->partition_data.count; j++) {
            const struct produce_request_partition *partition_in = &topic_in->partition_data.items[j];
            struct produce_response_partition *partition_out = &topic_out->partition_responses.items[j];
            partition_out->index = partition_in->index;
            partition_out->base_offset = -1;
            partition_out->error_code = refused ? refused : append(request, topic, partition_in, partition_out);
            failed |= partition_out->error_code != KAFKA_NONE;
        }
    }
    task_label(LABEL_TOPIC, NULL);

    request->no_response = in->acks == 0;
    /* Without a response the only way to tell the client is to close, as Kafka does: it then asks for metadata. */
    request->close = request->no_response && failed;
}
