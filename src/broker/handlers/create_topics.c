/* create_topics.c: CreateTopics. */
#include "broker/handlers.h"

#include "base/error.h"
#include "base/trace.h"
#include "broker/context.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/create_topics.h"

#include <stdlib.h>
#include <string.h>

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
    if (error)
        return error;
    if (!validate_only) {
        struct storage_topic *topic;
        int rc = storage_topic_create(request->context->storage, in->name, partitions, &topic);
        if (rc < 0)
            return refuse(out, topic_error(rc), error_text(rc));
        topic_hold(request, topic);
        out->topic_id = topic->id;
    }
    out->num_partitions = partitions;
    out->replication_factor = 1;
    /* Null would mean that they are not known; the Java client takes that for impossible. */
    out->configs.items = CODEC_NEW(request->arena, create_topics_response_config, 0);
    return KAFKA_NONE;
}

static int compare_names(const void *a, const void *b)
{
    const struct bytes *left = a, *right = b;
    if (left->size != right->size)
        return left->size < right->size ? -1 : 1;
    return left->size ? memcmp(left->data, right->data, left->size) : 0;
}

static struct bytes *sorted_names(struct request *request, const struct create_topics_request *in)
{
    struct bytes *names = arena_alloc_array(request->arena, in->topics.count, sizeof *names);
    for (size_t i = 0; i < in->topics.count; i++)
        names[i] = in->topics.items[i].name;
    qsort(names, in->topics.count, sizeof *names, compare_names);
    return names;
}

/* Kafka answers a topic that is named twice in one request with an error, and makes none of them. Sorted, because a
 * request may hold so many names that comparing each with each would hold up the reactor. */
static bool named_twice(const struct bytes *names, size_t count, const struct bytes *name)
{
    const struct bytes *found = bsearch(name, names, count, sizeof *names, compare_names);
    return (found > names && compare_names(found, found - 1) == 0) ||
           (found + 1 < names + count && compare_names(found, found + 1) == 0);
}

void kafka_handler_create_topics(struct request *request)
{
    const struct create_topics_request *in = request->in;
    struct create_topics_response *out = request->out;

    trace_region_next("create_topics");
    struct bytes *names = sorted_names(request, in);
    out->topics.count = in->topics.count;
    out->topics.items = CODEC_NEW(request->arena, create_topics_response_topic, in->topics.count);
    for (size_t i = 0; i < in->topics.count; i++) {
        struct create_topics_response_topic *topic_out = &out->topics.items[i];
        topic_out->name = in->topics.items[i].name;
        topic_out->error_code = named_twice(names, in->topics.count, &topic_out->name)
                                    ? refuse(topic_out, KAFKA_INVALID_REQUEST, "the topic is named twice")
                                    : create(request, &in->topics.items[i], in->validate_only, topic_out);
    }
}
