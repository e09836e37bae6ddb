/* create_topics.c: CreateTopics. */
#include "broker/handlers.h"

#include "base/error.h"
#include "broker/context.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/create_topics.h"

/* As many as one broker can serve; Kafka itself has no limit and falls over later. */
#define PARTITIONS_MAX 10000

static int16_t refuse(struct create_topics_response_topic *out, int16_t error, const char *why)
{
    out->error_message = bytes_of_string(why);
    return error;
}

/* Partitions that a client assigns by itself must be 0, 1, ... and each on this broker alone. */
static int16_t check_assignments(const struct broker_options *options, const struct create_topics_request_topic *in,
                                 struct create_topics_response_topic *out)
{
    for (size_t i = 0; i < in->assignments.count; i++) {
        const struct create_topics_request_assignment *assignment = &in->assignments.items[i];
        if (assignment->partition_index != (int32_t)i)
            return refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT, "partitions must be assigned in order from 0");
        if (assignment->broker_ids.count != 1 || assignment->broker_ids.items[0] != options->broker_id)
            return refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT, "this broker is the only one");
    }
    return KAFKA_NONE;
}

static int16_t check(struct request *request, const struct create_topics_request_topic *in, int32_t partitions,
                     struct create_topics_response_topic *out)
{
    if (!storage_topic_name_valid(in->name))
        return refuse(out, KAFKA_INVALID_TOPIC_EXCEPTION, "a name has 1 to 249 of a-z A-Z 0-9 . _ -");
    if (partitions < 1 || partitions > PARTITIONS_MAX)
        return refuse(out, KAFKA_INVALID_PARTITIONS, "the number of partitions must be from 1 to 10000");
    if (in->replication_factor != -1 && in->replication_factor != 1)
        return refuse(out, KAFKA_INVALID_REPLICATION_FACTOR, "there is one broker: the replication factor must be 1");
    if (in->configs.count > 0)
        return refuse(out, KAFKA_INVALID_CONFIG, "topics cannot be configured one by one");
    int16_t error = check_assignments(&request->context->options, in, out);
    if (error)
        return error;
    if (topic_by_name(request, in->name))
        return refuse(out, KAFKA_TOPIC_ALREADY_EXISTS, "the topic exists already");
    return KAFKA_NONE;
}

static int16_t create(struct request *request, const struct create_topics_request_topic *in, bool validate_only,
                      struct create_topics_response_topic *out)
{
    int32_t partitions = in->num_partitions;
    if (in->assignments.count > 0)
        partitions = (int32_t)in->assignments.count;
    else if (partitions == -1)
        partitions = request->context->options.default_partitions;

    int16_t error = check(request, in, partitions, out);
    if (error || validate_only)
        return error;
    struct storage_topic *topic;
    int rc = storage_topic_create(request->context->storage, in->name, partitions, &topic);
    if (rc < 0)
        return refuse(out, topic_error(rc), error_text(rc));
    topic_hold(request, topic);
    out->topic_id = topic_wire_id(topic);
    out->num_partitions = partitions;
    out->replication_factor = 1;
    return KAFKA_NONE;
}

/* Kafka answers a topic that is named twice in one request with an error, and makes none of them. */
static bool named_twice(const struct create_topics_request *in, size_t index)
{
    for (size_t i = 0; i < in->topics.count; i++)
        if (i != index && bytes_equal(in->topics.items[i].name, in->topics.items[index].name))
            return true;
    return false;
}

void kafka_handler_create_topics(struct request *request)
{
    const struct create_topics_request *in = request->in;
    struct create_topics_response *out = request->out;

    out->topics.count = in->topics.count;
    out->topics.items = CODEC_NEW(request->arena, create_topics_response_topic, in->topics.count);
    for (size_t i = 0; i < in->topics.count; i++) {
        struct create_topics_response_topic *topic_out = &out->topics.items[i];
        topic_out->name = in->topics.items[i].name;
        topic_out->error_code = named_twice(in, i)
                                    ? refuse(topic_out, KAFKA_INVALID_REQUEST, "the topic is named twice")
                                    : create(request, &in->topics.items[i], in->validate_only, topic_out);
    }
}
