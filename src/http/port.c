/* port.c: listens, turns each connection into a task, and ends them all when it closes. */
#include "http/port.h"

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/connection.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <pthread.h>
#include <unistd.h>
#include <uv.h>

/* Above the limit so many more are told why before they are closed; beyond that they are closed at once. */
#define REFUSED_CONNECTIONS_MAX 16
/* An accept that fails (a connection that is gone already, say) is tried again after this. */
#define ACCEPT_RETRY_MS 100

enum port_state { PORT_OPENING, PORT_OPEN, PORT_ENDED };

struct http_port {
    struct http_port_setup setup;
    char *host;

    /* Of the reactor's thread: */
    struct list connections;
    unsigned connection_count;

    /* Between the port's task and who opens or closes it: */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum port_state state;
    struct task *task; /* alive unless the state is PORT_ENDED */
    int open_result;
    uint16_t number;
};

struct connection {
    struct list link;
    struct http_port *port;
    struct task *task;
    int fd;
    bool refused;
    bool is_silent; /* waits for a request, and was not told to end */
};

static void connection_run(void *argument)
{
    struct connection *connection = argument;
    struct http_port *port = connection->port;
    http_connection_serve(connection->fd, &port->setup, connection->refused, &connection->is_silent);
    list_remove(&connection->link);
    port->connection_count--;
    task_unpark(port->task);
    mem_free(connection);
}

/* End the oldest connection that says nothing: clients that only hold their places must not keep out a health probe. */
static bool make_room(struct http_port *port)
{
    LIST_EACH(link, &port->connections) {
        struct connection *connection = LIST_ENTRY(link, struct connection, link);
        if (connection->is_silent) {
            connection->is_silent = false;
            task_cancel(connection->task);
            return true;
        }
    }
    return false;
}

static void admit(struct http_port *port, int fd)
{
    struct connection *connection = MEM_NEW(struct connection);
    connection->port = port;
    connection->fd = fd;
    connection->refused = port->connection_count >= port->setup.connections_max && !make_room(port);
    if (port->connection_count < port->setup.connections_max + REFUSED_CONNECTIONS_MAX)
        connection->task = task_spawn(port->setup.name, connection_run, connection);
    if (!connection->task) {
        close(fd);
        mem_free(connection);
        return;
    }
    port->connection_count++;
    list_append(&port->connections, &connection->link);
}

static void accept_until_canceled(struct http_port *port, struct listener *listener)
{
    while (!task_canceled()) {
        int fd;
        int rc = listener_accept(listener, &fd);
        if (rc == 0) {
            admit(port, fd);
        } else if (rc != UV_ECANCELED) {
            log_warning("http port cannot accept port=%s error=%s", port->setup.name, error_name(rc));
            (void)task_sleep_ms(ACCEPT_RETRY_MS); /* the loop's condition sees a cancel */
        }
    }
}

static void end_connections(struct http_port *port)
{
    LIST_EACH(link, &port->connections)
        task_cancel(LIST_ENTRY(link, struct connection, link)->task);
    while (port->connection_count > 0)
        task_park_uncancelable(WAIT_GROUP);
}

static void change_state(struct http_port *port, enum port_state state)
{
    pthread_mutex_lock(&port->lock);
    port->state = state;
    pthread_cond_signal(&port->changed);
    pthread_mutex_unlock(&port->lock);
}

static void port_run(void *argument)
{
    struct http_port *port = argument;
    struct listener *listener;
    port->task = task_self();
    port->open_result = listener_open(&listener, port->host, port->setup.port);
    if (port->open_result == 0) {
        port->number = listener_port(listener);
        change_state(port, PORT_OPEN);
        accept_until_canceled(port, listener);
        listener_close(listener);
        end_connections(port);
    }
    change_state(port, PORT_ENDED); /* from here on the port may be freed */
}

static void port_free(struct http_port *port)
{
    if (port->setup.closed)
        port->setup.closed(port->setup.context);
    pthread_cond_destroy(&port->changed);
    pthread_mutex_destroy(&port->lock);
    mem_free(port->host);
    mem_free(port);
}

static void wait_for_end(struct http_port *port)
{
    while (port->state != PORT_ENDED)
        pthread_cond_wait(&port->changed, &port->lock);
}

int http_port_open(struct http_port **opened, struct reactor *reactor, const struct http_port_setup *setup)
{
    struct http_port *port = MEM_NEW(struct http_port);
    port->setup = *setup;
    port->setup.host = port->host = mem_copy_string(setup->host);
    if (port->setup.connections_max == 0)
        port->setup.connections_max = HTTP_CONNECTIONS_MAX;
    if (port->setup.idle_timeout_ms == 0)
        port->setup.idle_timeout_ms = HTTP_IDLE_TIMEOUT_MS;
    if (port->setup.request_timeout_ms == 0)
        port->setup.request_timeout_ms = HTTP_REQUEST_TIMEOUT_MS;
    if (port->setup.linger_ms == 0)
        port->setup.linger_ms = HTTP_LINGER_MS;
    list_init(&port->connections);
    pthread_mutex_init(&port->lock, NULL);
    pthread_cond_init(&port->changed, NULL);

    int rc = reactor_spawn(reactor, setup->name, port_run, port);
    if (rc == 0) {
        pthread_mutex_lock(&port->lock);
        while (port->state == PORT_OPENING)
            pthread_cond_wait(&port->changed, &port->lock);
        rc = port->open_result;
        pthread_mutex_unlock(&port->lock);
    }
    if (rc != 0) {
        log_error("cannot listen service=%s host=%s port=%u error=\"%s\"", setup->name, setup->host, setup->port,
                  error_text(rc));
        port_free(port);
        return rc;
    }
    log_info("listening service=%s host=%s port=%u", setup->name, setup->host, port->number);
    *opened = port;
    return 0;
}

uint16_t http_port_number(const struct http_port *port)
{
    return port->number;
}

void http_port_close(struct http_port *port)
{
    if (!port)
        return;
    pthread_mutex_lock(&port->lock);
    /* The task ends under this lock, so that one which has not is alive. */
    if (port->state != PORT_ENDED)
        task_cancel(port->task);
    wait_for_end(port);
    pthread_mutex_unlock(&port->lock);
    log_info("closed service=%s", port->setup.name);
    port_free(port);
}
