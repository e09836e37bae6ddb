/* test_broker.c: what the broker says about itself while one of its reactors hangs. */
#include "broker/broker.h"

#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "storage/storage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct fixture {
    char folder[32];
    struct storage *storage;
    struct metrics *metrics;
    struct broker *broker;
    sem_t hangs, may_go_on;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->folder, "/tmp/takhin-broker-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    sem_init(&fixture->hangs, 0, 0);
    sem_init(&fixture->may_go_on, 0, 0);
    log_configure((struct log_options){.level = LOG_WARNING});
    fixture->metrics = metrics_create();
    struct storage_options storage = {.data_dir = fixture->folder, .node_id = 1, .segment_bytes = 1 << 20,
                                      .segment_age_ms = 1000000, .index_interval_bytes = 4096, .retention_ms = -1,
                                      .retention_bytes = -1, .retention_check_ms = 1000000};
    assert_int_equal(storage_open(&fixture->storage, &storage, NULL, NULL), 0);
    struct broker_options options = {.host = "127.0.0.1", .threads = 1, .broker_id = 1, .advertised_host = "",
                                     .max_message_bytes = 1 << 20, .max_request_bytes = 1 << 20,
                                     .max_connections = 10, .connection_idle_ms = 600000, .default_partitions = 1};
    assert_int_equal(broker_start(&fixture->broker, &options, fixture->storage, fixture->metrics), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    clock_test_real();
    log_redirect(NULL, NULL);
    broker_stop(fixture->broker);
    storage_close(fixture->storage);
    metrics_destroy(fixture->metrics);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* The log line about a mistaken client is written by the reactor that serves it: a reader of the log who takes nothing
 * holds that reactor up. */
static void hang(const char *line, void *context)
{
    (void)line;
    struct fixture *fixture = context;
    sem_post(&fixture->hangs);
    sem_wait(&fixture->may_go_on);
}

static int send_garbage(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, "\xff\xff\xff\xff", 4, MSG_NOSIGNAL), 4);
    return fd;
}

static void a_reactor_that_hangs_for_ten_seconds_is_not_live(void **state)
{
    struct fixture *fixture = *state;
    log_redirect(hang, fixture);
    int client = send_garbage(broker_port(fixture->broker));
    sem_wait(&fixture->hangs);

    clock_test_freeze(1000 * NS_PER_S, 1700000000 * (int64_t)NS_PER_S);
    assert_true(broker_is_live(fixture->broker)); /* asks the reactor */
    clock_test_advance(9 * NS_PER_S);
    assert_true(broker_is_live(fixture->broker));
    clock_test_advance(2 * NS_PER_S);
    assert_false(broker_is_live(fixture->broker));
    clock_test_real();

    sem_post(&fixture->may_go_on);
    char byte;
    assert_true(recv(client, &byte, 1, 0) <= 0); /* the connection ended, so the reactor goes round again */
    close(client);
    while (!broker_is_live(fixture->broker))
        usleep(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reactor_that_hangs_for_ten_seconds_is_not_live, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
