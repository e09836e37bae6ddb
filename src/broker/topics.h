/* topics.h: what several handlers do with topics and error codes. [task] */
#ifndef BROKER_TOPICS_H
#define BROKER_TOPICS_H

#include "base/bytes.h"
#include "base/uuid.h"
#include "broker/request.h"
#include "storage/storage.h"

/* The topic of this name, or NULL; held until the request is over. */
struct storage_topic *topic_by_name(struct request *request, struct bytes name);
struct storage_topic *topic_by_id(struct request *request, struct uuid id);
/* Give back a topic when the request is over. */
void topic_hold(struct request *request, struct storage_topic *topic);
/* The log of a partition; NULL: no such topic (`topic` may be NULL) or partition. */
struct storage_log *topic_log(struct storage_topic *topic, int32_t partition);

/* What a client is told of a code of ours or of libuv's; 0 is KAFKA_NONE. */
int16_t topic_error(int code);

#endif
