/* label_name.c: names by use: which of them have a text of their own in profiles. */
#include "base/label.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>

struct ranked_name {
    struct label_name name; /* what others see */
    const char *own_text;
    uint64_t score; /* uses, the older ones halved with each ranking */
    bool is_best;   /* of a ranking under way */
    UT_hash_handle by_text;
};

/* Append-only: what was handed out stays true. */
static struct {
    pthread_mutex_t lock;
    struct {
        struct ranked_name *names; /* the hash table */
        unsigned count;
        struct label_name *rest;   /* of all names that are too many */
    } key[LABEL_TASK_COUNT];
} ranked = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct ranked_name *name_create(const char *own_text, const char *shown)
{
    struct ranked_name *made = MEM_NEW(struct ranked_name);
    made->own_text = own_text;
    atomic_store_explicit(&made->name.text, shown, memory_order_relaxed);
    return made;
}

struct label_name *label_name_find(enum label_key key, struct bytes text)
{
    ASSERT((unsigned)key < LABEL_TASK_COUNT);
    if (text.size == 0)
        return NULL;
    if (text.size > LABEL_TEXT_MAX)
        text.size = LABEL_TEXT_MAX;

    struct ranked_name *found;
    pthread_mutex_lock(&ranked.lock);
    HASH_FIND(by_text, ranked.key[key].names, text.data, text.size, found);
    unsigned count = ranked.key[key].count;
    if (!found && count < LABEL_NAMES_MAX) {
        const char *own_text = mem_copy_bytes(text);
        found = name_create(own_text, count < LABEL_VALUES_MAX ? own_text : label_other);
        HASH_ADD_KEYPTR(by_text, ranked.key[key].names, own_text, text.size, found);
        ranked.key[key].count++;
    }
    struct label_name *name = found ? &found->name : ranked.key[key].rest;
    if (!name)
        name = ranked.key[key].rest = &name_create(label_other, label_other)->name;
    pthread_mutex_unlock(&ranked.lock);
    return name;
}

/* A name that has its text keeps it against one of up to a quarter more use. */
static uint64_t rank_score(const struct ranked_name *name)
{
    bool is_shown = atomic_load_explicit(&name->name.text, memory_order_relaxed) == name->own_text;
    return is_shown ? name->score + name->score / 4 + 1 : name->score;
}

/* Into an array with the highest first; who falls off its end is among the best no more. */
static void insert_by_rank(struct ranked_name **best, unsigned *count, struct ranked_name *name)
{
    unsigned at = *count;
    if (at < LABEL_VALUES_MAX) {
        ++*count;
    } else {
        if (rank_score(name) <= rank_score(best[at - 1]))
            return;
        best[--at]->is_best = false;
    }
    for (; at > 0 && rank_score(best[at - 1]) < rank_score(name); at--)
        best[at] = best[at - 1];
    best[at] = name;
    name->is_best = true;
}

static void rank_key(enum label_key key)
{
    struct ranked_name *best[LABEL_VALUES_MAX], *name, *next;
    unsigned count = 0;
    HASH_ITER(by_text, ranked.key[key].names, name, next) {
        name->score = name->score / 2 + atomic_exchange_explicit(&name->name.use_count, 0, memory_order_relaxed);
        name->is_best = false;
        insert_by_rank(best, &count, name);
    }
    HASH_ITER(by_text, ranked.key[key].names, name, next)
        atomic_store_explicit(&name->name.text, name->is_best ? name->own_text : label_other, memory_order_relaxed);
}

void label_names_rank(void)
{
    pthread_mutex_lock(&ranked.lock);
    for (enum label_key key = 0; key < LABEL_TASK_COUNT; key++)
        rank_key(key);
    pthread_mutex_unlock(&ranked.lock);
}
