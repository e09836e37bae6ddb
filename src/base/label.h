/* label.h: the labels that samples carry, and the texts they may have.
 *
 * A label's value is a pointer to an interned text: it lives for ever, so a signal handler may copy the pointer and a
 * profile may read it minutes later. That is why each key has room for a bounded number of values only; what comes
 * after is "other". Where there may be more names than that (topics, client ids), those in most use have theirs. */
#ifndef BASE_LABEL_H
#define BASE_LABEL_H

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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
/* Names per key whose use is counted; a name that comes later is label_other for good. */
#define LABEL_NAMES_MAX 4096
/* What stands for all values that have no room. */
extern const char label_other[];
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

/* The interned text for this value, or label_other once the key has LABEL_VALUES_MAX of them. NULL for an
 * empty text. Takes a lock: call it when a connection or a topic comes to be, not per request. [any] */
const char *label_intern(enum label_key key, struct bytes text);

/* A topic's or a client's name. Lives for ever. */
struct label_name {
    const char *_Atomic text;   /* as samples have it now: its own, or label_other */
    _Atomic uint64_t use_count; /* since the last ranking */
};

/* The name of this text, made if it is new. NULL for an empty text. Takes a lock, as label_intern does; a key has its
 * values from one of the two. [any] */
struct label_name *label_name_find(enum label_key key, struct bytes text);
/* Count a use, and the text to label it with (task_label). NULL for NULL. [any] */
static inline const char *label_name_use(struct label_name *name)
{
    if (!name)
        return NULL;
    atomic_fetch_add_explicit(&name->use_count, 1, memory_order_relaxed);
    return atomic_load_explicit(&name->text, memory_order_relaxed);
}

/* From now on the LABEL_VALUES_MAX names of each key that were used most have their own text. Older uses weigh half as
 * much with each ranking, and a name must be used a quarter more to take another's place, so that those of about equal
 * use do not change places all the time. Call it every LABEL_RANKING_MS or so; some 0.1 ms with all the names. [any] */
void label_names_rank(void);
#define LABEL_RANKING_MS 10000

#endif
