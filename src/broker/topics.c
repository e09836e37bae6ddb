/* topics.c: topics that a request holds, and errors as clients know them. */
#include "broker/topics.h"

#include "base/error.h"
#include "base/label.h"
#include "base/trace.h"
#include "broker/context.h"
#include "kafka/error.h"
#include "storage/log.h"

#include <uv.h>

/* A request may name thousands; its trace tells the first ones. */
#define TRACED_TOPICS_MAX 8

static void release_topic(void *topic)
{
    storage_topic_release(topic);
}

void topic_hold(struct request *request, struct storage_topic *topic)
{
    request_defer(request, release_topic, topic);
}

/* In the trace, by the name that labels have for it. */
static void trace_topic(struct request *request, const struct storage_topic *topic)
{
    if (!topic->label || !label_key_is_on(LABEL_TOPIC) || request->traced_topics == TRACED_TOPICS_MAX)
        return;
    request->traced_topics++;
    trace_log("topic", atomic_load_explicit(&topic->label->text, memory_order_relaxed));
}

static struct storage_topic *found(struct request *request, struct storage_topic *topic)
{
    if (!topic)
        return NULL;
    topic_hold(request, topic);
    if (trace_is_on())
        trace_topic(request, topic);
    return topic;
}

struct storage_topic *topic_by_name(struct request *request, struct bytes name)
{
    return found(request, storage_topic_find(request->context->storage, name));
}

struct storage_topic *topic_by_id(struct request *request, struct uuid id)
{
    return found(request, storage_topic_find_by_id(request->context->storage, &id));
}

struct storage_log *topic_log(struct storage_topic *topic, int32_t partition)
{
    return topic && partition >= 0 && partition < topic->partition_count ? topic->logs[partition] : NULL;
}

int16_t topic_error(int code)
{
    static const struct {
        int code;
        int16_t error;
    } errors[] = {
        {0, KAFKA_NONE},
        {ERR_TRUNCATED, KAFKA_INVALID_RECORD},
        {ERR_MALFORMED, KAFKA_INVALID_RECORD},
        {ERR_CORRUPT, KAFKA_CORRUPT_MESSAGE},
        {ERR_UNSUPPORTED, KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT},
        {ERR_TOO_LARGE, KAFKA_MESSAGE_TOO_LARGE},
        {ERR_SEQUENCE, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER},
        {ERR_FENCED, KAFKA_INVALID_PRODUCER_EPOCH},
        {ERR_OUT_OF_RANGE, KAFKA_OFFSET_OUT_OF_RANGE},
        {ERR_NOT_FOUND, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {ERR_CLOSED, KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
        {ERR_EXISTS, KAFKA_TOPIC_ALREADY_EXISTS},
        {ERR_IO, KAFKA_KAFKA_STORAGE_ERROR},
        {UV_ENOSPC, KAFKA_KAFKA_STORAGE_ERROR},
        {UV_EIO, KAFKA_KAFKA_STORAGE_ERROR},
        {UV_ECANCELED, KAFKA_REQUEST_TIMED_OUT}, /* we are stopping: the client may try again */
    };
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++)
        if (errors[i].code == code)
            return errors[i].error;
    return KAFKA_UNKNOWN_SERVER_ERROR;
}
