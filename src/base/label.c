/* label.c: the table of interned label texts. */
#include "base/label.h"

#include "base/check.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

/* Append-only, so what was handed out stays true; a linear search over 64 texts is fast enough for what calls it. */
static struct {
    pthread_mutex_t lock;
    struct {
        const char *text[LABEL_VALUES_MAX];
        unsigned count;
    } key[LABEL_KEY_COUNT];
} interned = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char label_other[] = "other";

static atomic_bool switched_off[LABEL_KEY_COUNT];

const char *label_key_name(enum label_key key)
{
    static const char *const names[LABEL_KEY_COUNT] = {
        [LABEL_API] = "api",
        [LABEL_TOPIC] = "topic",
        [LABEL_CLIENT_ID] = "client_id",
        [LABEL_THREAD] = "thread",
        [LABEL_REASON] = "reason",
    };
    ASSERT((unsigned)key < LABEL_KEY_COUNT);
    return names[key];
}

bool label_key_is_on(enum label_key key)
{
    return !atomic_load_explicit(&switched_off[key], memory_order_relaxed);
}

void label_key_switch(enum label_key key, bool is_on)
{
    ASSERT((unsigned)key < LABEL_KEY_COUNT);
    atomic_store_explicit(&switched_off[key], !is_on, memory_order_relaxed);
}

const char *label_intern(enum label_key key, struct bytes text)
{
    ASSERT((unsigned)key < LABEL_KEY_COUNT);
    if (text.size == 0)
        return NULL;
    if (text.size > LABEL_TEXT_MAX)
        text.size = LABEL_TEXT_MAX;

    const char *found = label_other;
    pthread_mutex_lock(&interned.lock);
    unsigned index = 0, count = interned.key[key].count;
    while (index < count && !bytes_equal_string(text, interned.key[key].text[index]))
        index++;
    if (index == count && count < LABEL_VALUES_MAX)
        interned.key[key].text[interned.key[key].count++] = mem_copy_bytes(text);
    if (index < LABEL_VALUES_MAX)
        found = interned.key[key].text[index];
    pthread_mutex_unlock(&interned.lock);
    return found;
}
