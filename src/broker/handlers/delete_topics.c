/* delete_topics.c: DeleteTopics, by name, or from version 6 on also by id. */
#include "broker/handlers.h"

#include "base/error.h"
#include "base/trace.h"
#include "broker/context.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/delete_topics.h"

static void delete(struct request *request, struct storage_topic *topic, int16_t unknown,
                   struct delete_topics_response_topic *out)
{
    if (!topic) {
        out->error_code = unknown;
        return;
    }
    out->name = bytes_of_string(topic->name);
    out->topic_id = topic->id;
    int rc = storage_topic_delete(request->context->storage, out->name);
    out->error_code = topic_error(rc);
    if (rc < 0)
        out->error_message = bytes_of_string(error_text(rc));
}

void kafka_handler_delete_topics(struct request *request)
{
    const struct delete_topics_request *in = request->in;
    struct delete_topics_response *out = request->out;
    const bool as_structs = request->version >= 6;
    size_t count = as_structs ? in->topics.count : in->topic_names.count;

    trace_region_next("delete_topics");
    out->responses.count = count;
    out->responses.items = CODEC_NEW(request->arena, delete_topics_response_topic, count);
    for (size_t i = 0; i < count; i++) {
        struct delete_topics_response_topic *topic_out = &out->responses.items[i];
        struct bytes name = as_structs ? in->topics.items[i].name : in->topic_names.items[i];
        if (name.data) {
            topic_out->name = name;
            delete(request, topic_by_name(request, name), KAFKA_UNKNOWN_TOPIC_OR_PARTITION, topic_out);
        } else {
            topic_out->topic_id = in->topics.items[i].topic_id;
            delete(request, topic_by_id(request, topic_out->topic_id), KAFKA_UNKNOWN_TOPIC_ID, topic_out);
        }
    }
}
