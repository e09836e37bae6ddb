/* client.h: a blocking HTTP client for tests, which sends and receives exactly what it is told. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A server that never answers must fail the test, not hang it. */
#define CLIENT_TIMEOUT_S 120

/* From this address of the loopback interface. */
UNUSED static int client_connect_from(uint16_t port, const char *host)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in here = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, host, &here.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    /* Not before: a signal ends a connect that has a timeout, and others begin anew (signal(7)). */
    struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    return fd;
}

UNUSED static int client_connect(uint16_t port)
{
    return client_connect_from(port, "127.0.0.1");
}

UNUSED static void client_send_bytes(int fd, const void *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t rc = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        assert_true(rc > 0 || errno == EINTR);
        sent += rc > 0 ? (size_t)rc : 0;
    }
}

UNUSED static void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

/* Add what comes next; false once the server has closed. */
UNUSED static bool client_receive_some(int fd, struct buf *text)
{
    ssize_t rc;
    do /* the profiler's signals end a wait on a socket that has a timeout (signal(7)) */
        rc = recv(fd, buf_reserve(text, 65536), 65536, 0);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        fail_msg("the server did not answer, or reset the connection");
    text->size += (size_t)rc;
    return rc > 0;
}

/* Without the lines that begin so. */
UNUSED static void client_drop_lines(struct buf *text, const char *start_of_line)
{
    char *start;
    while ((start = strstr(buf_string(text), start_of_line)) != NULL) {
        char *end = strstr(start + 2, "\r\n");
        assert_non_null(end);
        size_t tail = text->size - (size_t)(end - (char *)text->data);
        memmove(start, end, tail);
        text->size -= (size_t)(end - start);
    }
}

/* What is said once, for comparisons: answers without what is in each, the version of the program and the time. */
UNUSED static void client_drop_common(struct buf *text)
{
    client_drop_lines(text, "\r\nServer: ");
    client_drop_lines(text, "\r\nDate: ");
}

/* Everything until the server closes, without what is common; the caller frees it. Only for answers without a NUL. */
UNUSED static char *client_receive_all(int fd)
{
    struct buf text;
    buf_init(&text);
    while (client_receive_some(fd, &text))
        ;
    client_drop_common(&text);
    char *copy = mem_copy_string(buf_string(&text));
    buf_deinit(&text);
    return copy;
}

/* Send, receive until the server closes, close. Say "Connection: close" in the request. */
UNUSED static char *client_exchange(uint16_t port, const char *request)
{
    int fd = client_connect(port);
    client_send(fd, request);
    char *answer = client_receive_all(fd);
    close(fd);
    return answer;
}

UNUSED static void assert_exchange(uint16_t port, const char *request, const char *expected)
{
    char *answer = client_exchange(port, request);
    assert_string_equal(answer, expected);
    mem_free(answer);
}

UNUSED static void assert_starts_with(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("this does not start with \"%s\": %s", start, text);
}

/* What a chunked body says (RFC 9112 section 7.1); false if its last chunk is missing. */
UNUSED static bool client_unchunk(struct bytes body, struct buf *content)
{
    const uint8_t *at = body.data, *end = body.data + body.size;
    while (at < end) {
        char *rest;
        size_t size = strtoul((const char *)at, &rest, 16);
        assert_true(rest + 4 <= (const char *)end && strncmp(rest, "\r\n", 2) == 0);
        at = (const uint8_t *)rest + 2;
        if (size > (size_t)(end - at)) {
            buf_append(content, at, (size_t)(end - at));
            return false;
        }
        buf_append(content, at, size);
        at += size;
        assert_true(at == end || memcmp(at, "\r\n", 2) == 0);
        at += at == end ? 0 : 2;
        if (size == 0) {
            assert_ptr_equal(at, end);
            return true;
        }
    }
    return false;
}

/* A request for this path that asks to close afterwards. */
UNUSED static char *client_request(uint16_t port, const char *method, const char *path)
{
    char *request = mem_printf("%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", method, path);
    char *answer = client_exchange(port, request);
    mem_free(request);
    return answer;
}

#endif
