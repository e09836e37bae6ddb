/* options.h: what the broker is told by the configuration. */
#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct broker_options {
    const char *host;             /* where the Kafka port listens */
    uint16_t port;                /* 0: a free one */
    int32_t threads;              /* reactors that serve connections; 0: one a core */
    int32_t broker_id;
    const char *advertised_host;  /* what clients are told to connect to; "": the address they came to */
    uint16_t advertised_port;     /* 0: the port that listens */
    int64_t max_message_bytes;    /* largest record batch */
    int64_t max_request_bytes;    /* largest frame */
    int32_t max_connections;      /* more are closed at once */
    int64_t connection_idle_ms;   /* close a silent connection */
    bool auto_create_topics;      /* a producer's metadata request creates what it names */
    int32_t default_partitions;   /* of such a topic */
};

#endif
