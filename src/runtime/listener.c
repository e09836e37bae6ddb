/* listener.c: accepts connections as plain descriptors, which the caller may give to any reactor. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/address.h"
#include "runtime/scheduler.h"
#include "runtime/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long to wait for a descriptor or for memory to become free again. */
#define EXHAUSTED_WAIT_MS 100
/* How often that is said: at the limit it comes and goes several times a second. */
#define EXHAUSTED_SAY_NS (60 * NS_PER_S)

struct listener {
    uv_poll_t poll;
    int fd;
    uint16_t port;
    struct task *waiter; /* parked until a connection comes, or until the handle is closed */
    bool closed;
    uint64_t say_again_ns; /* when the log may tell of exhaustion again */
};

/* A listening socket for one address, or libuv's code. */
static int listen_on(const struct sockaddr_storage *address)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    socklen_t size = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)address, size) != 0 || listen(fd, SOMAXCONN) != 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int listener_open(struct listener **out, const char *host, uint16_t port)
{
    struct sockaddr_storage addresses[ADDRESS_MAX];
    int count = address_resolve(host, port, addresses);
    if (count < 0)
        return count;
    /* One address gets the port. A name may have several, and "localhost" is ::1 first on many machines, where clients
     * of 127.0.0.1 would find nobody. */
    address_put_ip4_first(addresses, count);
    int fd = UV_EAI_NONAME;
    for (int i = 0; i < count && fd < 0; i++)
        fd = listen_on(&addresses[i]);
    if (fd < 0)
        return fd;
    struct listener *listener = MEM_NEW(struct listener);
    int rc = uv_poll_init(&task_self()->reactor->loop, &listener->poll, fd);
    if (rc != 0) {
        close(fd);
        mem_free(listener);
        return rc;
    }
    listener->fd = fd;
    listener->port = bound_port(fd);
    *out = listener;
    return 0;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events; /* accept will tell */
    struct listener *listener = CONTAINER_OF(poll, struct listener, poll);
    uv_poll_stop(poll);
    task_resume(listener->waiter);
}

static int wait_readable(struct listener *listener)
{
    int rc = uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    if (rc != 0)
        return rc;
    listener->waiter = task_self();
    rc = task_park(WAIT_ACCEPT, TIMEOUT_NEVER);
    uv_poll_stop(&listener->poll);
    return rc;
}

static int wait_exhausted(struct listener *listener, int error)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns >= listener->say_again_ns) {
        log_error("cannot accept connections, trying again every %d ms port=%u error=\"%s\"", EXHAUSTED_WAIT_MS,
                  listener->port, error_text(-error));
        listener->say_again_ns = now_ns + EXHAUSTED_SAY_NS;
    }
    return task_sleep_ms(EXHAUSTED_WAIT_MS);
}

int listener_accept(struct listener *listener, int *fd)
{
    task_yield(); /* a flood of connections must not keep the other tasks from running */
    for (;;) {
        if (task_canceled())
            return UV_ECANCELED;
        *fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (*fd >= 0)
            return 0;
        int rc = 0;
        switch (errno) {
        case EAGAIN:
            rc = wait_readable(listener);
            break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            rc = wait_exhausted(listener, errno);
            break;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
            return -errno;
        default: /* what became of a connection before we took it (accept(2)); the next one may be well */
            break;
        }
        if (rc != 0)
            return rc;
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = CONTAINER_OF(handle, struct listener, poll);
    listener->closed = true;
    task_resume(listener->waiter);
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    listener->waiter = task_self();
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    while (!listener->closed)
        task_park_uncancelable(WAIT_CLOSE);
    close(listener->fd);
    mem_free(listener);
}
