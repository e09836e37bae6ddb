/* label.h: the labels that samples carry, and the texts they may have.
 *
 * A label's value is a pointer to an interned text: it lives for ever, so a signal handler may copy the pointer and a
 * profile may read it minutes later. That is why each key has room for a bounded number of values only; what comes
 * after is "other". */
#ifndef BASE_LABEL_H
#define BASE_LABEL_H

#include "base/bytes.h"

#include <stdbool.h>

enum label_key {
    /* What a task says of itself (task_label). */
    LABEL_API,       /* the Kafka API that is being served, "Produce" */
    LABEL_TOPIC,     /* the topic, where a request works on one */
    LABEL_CLIENT_ID, /* what the client calls itself */
    LABEL_TASK_COUNT,

    /* What a sampler adds. */
    LABEL_THREAD = LABEL_TASK_COUNT, /* the thread's name */
    LABEL_REASON,                    /* why the task waited or waits, "mutex lock"; or "running" */
    LABEL_KEY_COUNT
};

/* Values per key; more would let a client with random names fill the memory and the profile. */
#define LABEL_VALUES_MAX 64
/* A longer text is cut. */
#define LABEL_TEXT_MAX 128

/* NULL: no such label. Volatile: a signal on the owning thread reads it between any two stores. */
struct label_set {
    const char *volatile value[LABEL_TASK_COUNT];
};

/* The key's name in a profile: "api", "topic", "client_id", "thread", "reason". [any] */
const char *label_key_name(enum label_key key);

/* Whether samples carry this key; all do until somebody says otherwise. [any], the first also [signal]. */
bool label_key_is_on(enum label_key key);
void label_key_switch(enum label_key key, bool is_on);

/* The interned text for this value, or the interned "other" once the key has LABEL_VALUES_MAX of them. NULL for an
 * empty text. Takes a lock: call it when a connection or a topic comes to be, not per request. [any] */
const char *label_intern(enum label_key key, struct bytes text);

#endif
