/* metadata.c: Metadata: this broker, and the topics with their partitions, all of which it leads. */
#include "broker/handlers.h"

#include "base/error.h"
#include "broker/context.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/metadata.h"

#include <string.h>

/* From this version on a client says whether an unknown topic shall be made; before, it always is. */
#define CREATION_IS_ASKED_FROM 4
/* From this version on an empty list means no topic; before, all. */
#define EMPTY_IS_NONE_FROM 1

static void describe(struct request *request, struct storage_topic *topic, struct metadata_response_topic *out)
{
    const int32_t broker_id = request->context->options.broker_id;
    int32_t *replicas = arena_alloc(request->arena, sizeof *replicas);
    *replicas = broker_id;

    out->error_code = KAFKA_NONE;
    out->name = bytes_of_string(topic->name);
    out->topic_id = topic->id;
    out->partitions.count = (size_t)topic->partition_count;
    out->partitions.items = CODEC_NEW(request->arena, metadata_response_partition, out->partitions.count);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct metadata_response_partition *partition = &out->partitions.items[i];
        partition->partition_index = i;
        partition->leader_id = broker_id;
        partition->leader_epoch = 0;
        partition->replica_nodes.items = partition->isr_nodes.items = replicas;
        partition->replica_nodes.count = partition->isr_nodes.count = 1;
    }
}

static struct storage_topic *create(struct request *request, struct bytes name)
{
    const struct broker_options *options = &request->context->options;
    struct storage_topic *topic = NULL;
    int rc = storage_topic_create(request->context->storage, name, options->default_partitions, &topic);
    if (rc == ERR_EXISTS) /* somebody was faster */
        return topic_by_name(request, name);
    if (rc < 0)
        return NULL;
    topic_hold(request, topic);
    return topic;
}

static void describe_named(struct request *request, const struct metadata_request_topic *in, bool may_create,
                           struct metadata_response_topic *out)
{
    static const struct uuid no_id;
    /* Not a null name: beside an id the Java client sends an empty one. */
    const bool by_id = memcmp(&in->topic_id, &no_id, sizeof no_id) != 0;
    struct storage_topic *topic = NULL;

    out->topic_id = in->topic_id;
    if (by_id) {
        topic = topic_by_id(request, in->topic_id);
    } else if (!storage_topic_name_valid(in->name)) {
        out->name = in->name;
        out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return;
    } else {
        out->name = in->name;
        topic = topic_by_name(request, in->name);
        if (!topic && may_create)
            topic = create(request, in->name);
    }
    if (topic)
        describe(request, topic, out);
    else
        out->error_code = by_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void describe_all(struct request *request, struct metadata_response *out)
{
    size_t count;
    struct storage_topic **topics = storage_topics_list(request->context->storage, &count);
    out->topics.count = count;
    out->topics.items = CODEC_NEW(request->arena, metadata_response_topic, count);
    for (size_t i = 0; i < count; i++) {
        atomic_fetch_add(&topics[i]->references, 1);
        topic_hold(request, topics[i]); /* its name is a view until the response is written */
        describe(request, topics[i], &out->topics.items[i]);
    }
    storage_topics_release(topics, count);
}

void kafka_handler_metadata(struct request *request)
{
    const struct metadata_request *in = request->in;
    struct metadata_response *out = request->out;
    const struct broker_context *context = request->context;
    bool may_create = context->options.auto_create_topics &&
                      (request->version < CREATION_IS_ASKED_FROM || in->allow_auto_topic_creation);

    out->brokers.count = 1;
    out->brokers.items = CODEC_NEW(request->arena, metadata_response_broker, 1);
    out->brokers.items[0].node_id = context->options.broker_id;
    out->brokers.items[0].host = bytes_of_string(request->advertised_host);
    out->brokers.items[0].port = request->advertised_port;
    out->cluster_id = bytes_of_string(storage_cluster_id(context->storage));
    out->controller_id = context->options.broker_id;

    if (!in->topics.items || (in->topics.count == 0 && request->version < EMPTY_IS_NONE_FROM)) {
        describe_all(request, out);
        return;
    }
    out->topics.count = in->topics.count;
    out->topics.items = CODEC_NEW(request->arena, metadata_response_topic, in->topics.count);
    for (size_t i = 0; i < in->topics.count; i++)
        describe_named(request, &in->topics.items[i], may_create, &out->topics.items[i]);
}
