/* options.h: what the HTTP ports are told by the configuration. */
#ifndef HTTP_OPTIONS_H
#define HTTP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* One listening port: metrics and health each have one. The debug port's is in profiler/options.h. */
struct http_port_options {
    bool enabled;
    const char *host;
    uint16_t port; /* 0: a free one */
};

#endif
