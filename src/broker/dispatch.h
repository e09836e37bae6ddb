/* dispatch.h: which handler serves which API, and what is counted about it. */
#ifndef BROKER_DISPATCH_H
#define BROKER_DISPATCH_H

struct api;
struct dispatch;
struct metric_histogram;
struct metrics;
struct request;

struct dispatch_row {
    const struct api *api;
    void (*handle)(struct request *request);
    const char *label;                   /* interned, LABEL_API */
    struct metric_histogram *latency;    /* ns, from the whole frame to its response */
    struct metric_histogram *processing; /* the same without what the client asked to wait */
};

struct dispatch *dispatch_create(struct metrics *metrics);
void dispatch_destroy(struct dispatch *dispatch);
/* Never NULL: every row of kafka/api.c has a handler. [any] */
const struct dispatch_row *dispatch_find(const struct dispatch *dispatch, const struct api *api);

#endif
