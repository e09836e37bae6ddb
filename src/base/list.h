/* list.h: doubly linked list whose links live in the members.
 *
 * The head is a link too; an unlinked link points at itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/check.h"

#include <stdbool.h>

struct list {
    struct list *next, *previous;
};

static inline void list_init(struct list *link)
{
    link->next = link->previous = link;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_before(struct list *position, struct list *link)
{
    link->next = position;
    link->previous = position->previous;
    position->previous->next = link;
    position->previous = link;
}

/* At the end of the list. */
static inline void list_append(struct list *head, struct list *link)
{
    list_insert_before(head, link);
}

/* At the front of the list. */
static inline void list_prepend(struct list *head, struct list *link)
{
    list_insert_before(head->next, link);
}

/* Harmless for a link that is in no list (but initialised). */
static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

#define LIST_ENTRY(link, type, member) CONTAINER_OF(link, type, member)

/* The body may not remove `link`; LIST_EACH_SAFE allows that. */
#define LIST_EACH(link, head) for (struct list *link = (head)->next; link != (head); link = link->next)
#define LIST_EACH_SAFE(link, head) \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head); \
         link = link##_next, link##_next = link->next)

#endif
