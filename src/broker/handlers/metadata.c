/* metadata.c: Metadata: this broker, and the topics with their partitions, all of which it leads. */
#include "broker/handlers.h"

#include "base/error.h"
#include "base/trace.h"
#include "broker/context.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/metadata.h"

#include <string.h>

/* From this version on a client says whether an unknown topic shall be made; before, it always is. */
#define CREATION_IS_ASKED_FROM 4
/* From this version on an empty list means no topic; before, all. */
#define EMPTY_IS_NONE_FROM 1

/* A client may name a large topic again and again; nobody has so many partitions on one broker. */
#define PARTITIONS_MAX 1000000

/* Partitions of all topics look alike but for their number: 0, 1, 2, ... So all share one array, as long as the largest
 * topic needs. */
struct description {
    struct request *request;
    int32_t *replicas; /* this broker alone */
    struct metadata_response_partition *partitions;
    size_t capacity;
    size_t described; /* partitions, over all topics */
};

static void grow_partitions(struct description *description, size_t count)
{
    const int32_t broker_id = description->request->context->options.broker_id;
    description->partitions = CODEC_NEW(description->request->arena, metadata_response_partition, count);
    description->capacity = count;
    for (size_t i = 0; i < count; i++) {
        struct metadata_response_partition *partition = &description->partitions[i];
        partition->partition_index = (int32_t)i;
        partition->leader_id = broker_id;
        partition->leader_epoch = 0;
        partition->replica_nodes.items = partition->isr_nodes.items = description->replicas;
        partition->replica_nodes.count = partition->isr_nodes.count = 1;
    }
}

static void describe(struct description *description, struct storage_topic *topic, struct metadata_response_topic *out)
{
    size_t count = (size_t)topic->partition_count;
    out->name = bytes_of_string(topic->name);
    out->topic_id = topic->id;
    if (description->described + count > PARTITIONS_MAX) {
        out->error_code = KAFKA_INVALID_REQUEST;
        return;
    }
    description->described += count;
    /* Twice as many as before, so that ever larger topics cost no more than the largest. */
    if (count > description->capacity)
        grow_partitions(description, count > 2 * description->capacity ? count : 2 * description->capacity);
    out->error_code = KAFKA_NONE;
    out->partitions.items = description->partitions;
    out->partitions.count = count;
}

static struct storage_topic *create(struct request *request, struct bytes name)
{
    const struct broker_options *options = &request->context->options;
    struct storage_topic *topic = NULL;
    trace_region_begin("create_topic");
    int rc = storage_topic_create(request->context->storage, name, options->default_partitions, &topic);
    trace_region_end();
    if (rc == ERR_EXISTS) /* somebody was faster */
        return topic_by_name(request, name);
    if (rc < 0)
        return NULL;
    topic_hold(request, topic);
    return topic;
}

static void describe_named(struct description *description, const struct metadata_request_topic *in, bool may_create,
                           struct metadata_response_topic *out)
{
    struct request *request = description->request;
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
        describe(description, topic, out);
    else
        out->error_code = by_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void describe_all(struct description *description, struct metadata_response *out)
{
    struct request *request = description->request;
    size_t count;
    struct storage_topic **topics = storage_topics_list(request->context->storage, &count);
    out->topics.count = count;
    out->topics.items = CODEC_NEW(request->arena, metadata_response_topic, count);
    for (size_t i = 0; i < count; i++) {
        atomic_fetch_add(&topics[i]->references, 1);
        topic_hold(request, topics[i]); /* its name is a view until the response is written */
        describe(description, topics[i], &out->topics.items[i]);
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

    trace_region_next("lookup");
    struct description description = {.request = request};
    description.replicas = arena_alloc(request->arena, sizeof *description.replicas);
    *description.replicas = context->options.broker_id;

    out->brokers.count = 1;
    out->brokers.items = CODEC_NEW(request->arena, metadata_response_broker, 1);
    out->brokers.items[0].node_id = context->options.broker_id;
    out->brokers.items[0].host = bytes_of_string(request->advertised_host);
    out->brokers.items[0].port = request->advertised_port;
    out->cluster_id = bytes_of_string(storage_cluster_id(context->storage));
    out->controller_id = context->options.broker_id;

    if (!in->topics.items || (in->topics.count == 0 && request->version < EMPTY_IS_NONE_FROM)) {
        describe_all(&description, out);
        return;
    }
    out->topics.count = in->topics.count;
    out->topics.items = CODEC_NEW(request->arena, metadata_response_topic, in->topics.count);
    for (size_t i = 0; i < in->topics.count; i++)
        describe_named(&description, &in->topics.items[i], may_create, &out->topics.items[i]);
}
