/* handlers.h: one function an API, each in handlers/<api>.c. It reads request->in (struct <api>_request), fills
 * request->out (struct <api>_response) and may park. The names are a promise: profiles are searched for
 * kafka_handler. [task] */
#ifndef BROKER_HANDLERS_H
#define BROKER_HANDLERS_H

struct request;

void kafka_handler_api_versions(struct request *request);
void kafka_handler_create_topics(struct request *request);
void kafka_handler_delete_topics(struct request *request);
void kafka_handler_fetch(struct request *request);
void kafka_handler_find_coordinator(struct request *request);
void kafka_handler_init_producer_id(struct request *request);
void kafka_handler_list_offsets(struct request *request);
void kafka_handler_metadata(struct request *request);
void kafka_handler_produce(struct request *request);

#endif
