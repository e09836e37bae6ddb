/* messages.h: all messages. A handler includes the one of its API.
 *
 * Names are those of Kafka's message specifications in snake case; which versions have a field is said beside it where
 * not all have it. Parts of a message are named after their place: fetch_response_topic, fetch_response_partition. */
#ifndef KAFKA_MESSAGES_H
#define KAFKA_MESSAGES_H

#include "kafka/messages/api_versions.h"
#include "kafka/messages/create_topics.h"
#include "kafka/messages/delete_topics.h"
#include "kafka/messages/fetch.h"
#include "kafka/messages/find_coordinator.h"
#include "kafka/messages/init_producer_id.h"
#include "kafka/messages/list_offsets.h"
#include "kafka/messages/metadata.h"
#include "kafka/messages/produce.h"

#endif
