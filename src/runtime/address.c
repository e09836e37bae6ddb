/* address.c: looks up hosts and formats peers. */
#include "runtime/address.h"

#include "runtime/task.h"

#include <netdb.h>
#include <stdio.h>
#include <uv.h>

struct lookup {
    const char *host;
    struct addrinfo *found;
    int rc;
};

static void look_up(void *argument)
{
    struct lookup *lookup = argument;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    lookup->rc = getaddrinfo(lookup->host, NULL, &hints, &lookup->found);
}

/* libuv's codes for what getaddrinfo says. */
static int lookup_error(int rc)
{
    switch (rc) {
    case EAI_AGAIN:
        return UV_EAI_AGAIN;
    case EAI_FAIL:
        return UV_EAI_FAIL;
    case EAI_MEMORY:
        return UV_EAI_MEMORY;
    default:
        return UV_EAI_NONAME;
    }
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

int address_resolve(const char *host, uint16_t port, struct sockaddr_storage addresses[ADDRESS_MAX])
{
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)&addresses[0]) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)&addresses[0]) == 0)
        return 1;
    struct lookup lookup = {.host = host};
    int rc = task_offload(WAIT_OFFLOAD, look_up, &lookup);
    if (rc != 0)
        return rc;
    if (lookup.rc != 0)
        return lookup_error(lookup.rc);
    int count = 0;
    for (struct addrinfo *info = lookup.found; info && count < ADDRESS_MAX; info = info->ai_next)
        if (info->ai_family == AF_INET || info->ai_family == AF_INET6) {
            memcpy(&addresses[count], info->ai_addr, info->ai_addrlen);
            set_port(&addresses[count++], port);
        }
    freeaddrinfo(lookup.found);
    return count ? count : UV_EAI_NONAME;
}

void address_put_ip4_first(struct sockaddr_storage *addresses, int count)
{
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && addresses[j].ss_family == AF_INET && addresses[j - 1].ss_family != AF_INET; j--) {
            struct sockaddr_storage other = addresses[j - 1];
            addresses[j - 1] = addresses[j];
            addresses[j] = other;
        }
}

void address_format(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
        uv_ip6_name(ip6, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_SIZE, "[%s]:%u", host, ntohs(ip6->sin6_port));
    } else {
        const struct sockaddr_in *ip4 = (const struct sockaddr_in *)address;
        uv_ip4_name(ip4, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", host, ntohs(ip4->sin_port));
    }
}
