/* test_debug_profiles.c: every kind of profile by its name, as Go's net/http/pprof serves them. */
#include "http/ports.h"

#include "base/probe.h"
#include "debug_fixture.h"
#include "pprof/profile.h"
#include "profiler/contention.h"
#include "profiler/rates.h"
#include "profiler/type.h"

#define EACH_TYPE(type) \
    for (const struct profile_type *const *type##_at = profile_types, *type; \
         type##_at < profile_types + profile_type_count && (type = *type##_at); type##_at++)

static int send_for(uint16_t number, const struct profile_type *type, const char *query)
{
    char *path = mem_printf("/debug/pprof/%s%s", type->name, query);
    int fd = send_get(number, path);
    mem_free(path);
    return fd;
}

static void assert_columns(const struct profile *profile, const struct profile_type *type)
{
    assert_int_equal(profile->sample_type_count, type->column_count);
    for (unsigned i = 0; i < type->column_count; i++) {
        assert_string_equal(profile_text(profile, profile->sample_types[i].type), type->columns[i].type);
        assert_string_equal(profile_text(profile, profile->sample_types[i].unit), type->columns[i].unit);
    }
    assert_string_equal(profile_text(profile, profile->default_sample_type),
                        type->default_column ? type->default_column : "");
    assert_string_equal(profile_text(profile, profile->period_type.type), type->period.type);
    assert_true(profile->time_ns > 0);
}

static void every_type_is_served_by_its_name(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    EACH_TYPE(type) {
        struct profile *profile =
            receive_profile_file(send_for(fixture.number, type, type->needs_window ? "?seconds=0.05" : ""), type->name);
        assert_columns(profile, type);
        assert_true(type->needs_window ? profile->duration_ns >= 50 * (int64_t)NS_PER_MS : profile->duration_ns == 0);
        profile_destroy(profile);
    }
    close_debug(&fixture);
}

static void fgprof_is_also_where_its_own_package_has_it(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    int fd = send_get(fixture.number, "/debug/fgprof?seconds=0.05&hz=50");
    struct profile *profile = receive_profile_file(fd, "fgprof");
    assert_columns(profile, profile_type_find(bytes_of_string("fgprof")));
    profile_destroy(profile);
    close_debug(&fixture);
}

static void seconds_make_a_delta_of_what_has_one(void **state)
{
    (void)state;
    enum { TYPES_MAX = 32 };
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 5000);
    int fds[TYPES_MAX] = {0};
    unsigned count = 0;
    EACH_TYPE(type)
        if (type->has_delta)
            fds[count++] = send_for(fixture.number, type, "?seconds=1");
    count = 0;
    EACH_TYPE(type) {
        if (!type->has_delta)
            continue;
        char *file_name = mem_printf("%s-delta", type->name);
        struct profile *profile = receive_profile_file(fds[count++], file_name);
        assert_columns(profile, type);
        assert_true(profile->duration_ns >= (int64_t)NS_PER_S);
        for (uint32_t i = 0; i < profile->sample_value_count; i++)
            assert_true(profile->sample_values[i] >= 0);
        profile_destroy(profile);
        mem_free(file_name);
    }
    assert_true(count > 0);
    close_debug(&fixture);
}

static void assert_text(uint16_t number, const struct profile_type *type, const char *query)
{
    struct buf text;
    struct bytes body;
    int fd = send_for(number, type, query);
    receive_answer(fd, &text, &body);
    close(fd);
    char *head = mem_printf(HEAD("200 OK", TEXT, "Content-Length: %zu\r\nConnection: close\r\n\r\n"), body.size);
    assert_starts_with(buf_string(&text), head);
    bool may_be_empty = type->seconds_is_age; /* nothing has been parked for long */
    if ((body.size == 0 && !may_be_empty) || (body.size > 0 && memchr(body.data, 0, body.size)))
        fail_msg("%s%s is no text: %.*s", type->name, query, BYTES_ARGS(body));
    mem_free(head);
    buf_deinit(&text);
}

/* Go: any number but 0 selects the text. */
static void debug_selects_the_text_where_there_is_one(void **state)
{
    (void)state;
    static const char *const numbers[] = {"1", "2", "-1", "%2B1", "99999999999999999999"};
    static const char *const others[] = {"0", "", "x", "1x", "0x1", "1.0", "+1"};
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    EACH_TYPE(type) {
        for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
            char *query = mem_printf(type->needs_window ? "?seconds=0.01&debug=%s" : "?debug=%s", numbers[i]);
            if (type->write_text)
                assert_text(fixture.number, type, query);
            else
                profile_destroy(receive_profile_file(send_for(fixture.number, type, query), type->name));
            mem_free(query);
        }
        for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
            char *query = mem_printf(type->needs_window ? "?seconds=0.01&debug=%s" : "?debug=%s", others[i]);
            profile_destroy(receive_profile_file(send_for(fixture.number, type, query), type->name));
            mem_free(query);
        }
    }
    close_debug(&fixture);
}

static void head_has_the_headers_and_no_body(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    EACH_TYPE(type) {
        char *path = mem_printf("/debug/pprof/%s%s", type->name, type->needs_window ? "?seconds=0.01" : "");
        char *head = client_request(fixture.number, "HEAD", path);
        char *expected = mem_printf(HEAD("200 OK", "application/octet-stream",
                                         "Content-Disposition: attachment; filename=\"%s\"\r\nContent-Length: "),
                                    type->name);
        assert_starts_with(head, expected);
        assert_string_equal(head + strlen(head) - 4, "\r\n\r\n");
        mem_free(expected);
        mem_free(head);
        mem_free(path);
    }
    close_debug(&fixture);
}

static void assert_refused(uint16_t number, const char *path, const char *status, const char *text)
{
    char *request = mem_printf(REQUEST("GET %s"), path);
    char *expected = mem_printf("HTTP/1.1 %s\r\nContent-Type: " TEXT "\r\nX-Content-Type-Options: nosniff\r\n"
                                "X-Go-Pprof: 1\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                                status, strlen(text) + 1, text);
    assert_exchange(number, request, expected);
    mem_free(expected);
    mem_free(request);
}

static void assert_query_refused(uint16_t number, const struct profile_type *type, const char *query, const char *text)
{
    char *path = mem_printf("/debug/pprof/%s%s", type->name, query);
    assert_refused(number, path, "400 Bad Request", text);
    mem_free(path);
}

#define BAD_SECONDS "invalid value for \"seconds\" - must be a positive integer"

/* Go looks at seconds first, then at whether there is a delta, then at debug. */
static void what_a_delta_cannot_be_is_refused_in_the_order_of_go(void **state)
{
    (void)state;
    static const char *const bad[] = {"0", "-1", "x", "1x", "1.5", "0x10", "1e3", "99999999999999999999", "+1"};
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    EACH_TYPE(type) {
        if (type->needs_window)
            continue;
        for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
            char *query = mem_printf("?debug=1&seconds=%s", bad[i]);
            assert_query_refused(fixture.number, type, query, BAD_SECONDS);
            mem_free(query);
        }
        if (type->has_delta) {
            assert_query_refused(fixture.number, type, "?seconds=1&debug=1",
                                 "seconds and debug params are incompatible");
            assert_query_refused(fixture.number, type, "?seconds=1&debug=-1",
                                 "seconds and debug params are incompatible");
            assert_query_refused(fixture.number, type, "?seconds=1",
                                 "seconds is more than 300ms, the limit that profiler.max_duration sets");
            assert_query_refused(fixture.number, type, "?seconds=9000000000000000000",
                                 "seconds is more than 300ms, the limit that profiler.max_duration sets");
        } else if (!type->seconds_is_age) {
            assert_query_refused(fixture.number, type, "?seconds=1&debug=1",
                                 "\"seconds\" parameter is not supported for this profile type");
        }
    }
    assert_refused(fixture.number, "/debug/pprof/heapx", "404 Not Found", "Unknown profile");
    assert_refused(fixture.number, "/debug/pprof/delta_", "404 Not Found", "Unknown profile");
    assert_refused(fixture.number, "/debug/pprof/delta_profile", "404 Not Found", "Unknown profile");
    assert_refused(fixture.number, "/debug/pprof/heap/", "404 Not Found", "Unknown profile");
    assert_refused(fixture.number, "/debug/pprof/heap%00", "404 Not Found", "Unknown profile");
    assert_refused(fixture.number, "/debug/pprof/heap%2f", "404 Not Found", "Unknown profile");
    assert_refused(fixture.number, "/debug/pprof/hea%p", "400 Bad Request",
                   "the request's path has a percent sign without two hexadecimal digits");
    profile_destroy(receive_profile_file(send_get(fixture.number, "/debug/pprof/he%61p"), "heap"));
    close_debug(&fixture);
}

/* It says how long a task has been parked; nobody waits for it. */
static void seconds_of_a_leak_are_an_age(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    EACH_TYPE(type) {
        if (!type->seconds_is_age)
            continue;
        profile_destroy(receive_profile_file(send_for(fixture.number, type, "?seconds=86400"), type->name));
        profile_destroy(
            receive_profile_file(send_for(fixture.number, type, "?seconds=9223372036854775806"), type->name));
        assert_text(fixture.number, type, "?seconds=1&debug=2");
    }
    close_debug(&fixture);
}

static void rates_are_for_types_that_have_one(void **state)
{
    (void)state;
    static const char *const limits[] = {
        [PROFILE_RATE_HZ] = "1000",
        [PROFILE_RATE_MEMORY] = "1099511627776",
        [PROFILE_RATE_BLOCK] = "3600000000000",
        [PROFILE_RATE_MUTEX] = "1000000000",
    };
    static const char *const bad[] = {"0", "-1", "x", "1.5", "99999999999999999999"};
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    EACH_TYPE(type) {
        if (type->rate != PROFILE_RATE_HZ)
            assert_query_refused(fixture.number, type, "?hz=10",
                                 "\"hz\" parameter is not supported for this profile type");
        if (type->rate == PROFILE_RATE_NONE) {
            assert_query_refused(fixture.number, type, "?rate=1",
                                 "\"rate\" parameter is not supported for this profile type");
            continue;
        }
        char *text = mem_printf("rate must be a whole number from 1 to %s", limits[type->rate]);
        for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
            char *query = mem_printf("?rate=%s", bad[i]);
            assert_query_refused(fixture.number, type, query, text);
            mem_free(query);
        }
        mem_free(text);
        if (!type->needs_window)
            assert_query_refused(fixture.number, type, "?rate=1",
                                 "\"rate\" parameter needs \"seconds\" for this profile type");
        assert_query_refused(fixture.number, type, "?compat=rust", "compat must be go");
    }
    close_debug(&fixture);
}

static void a_rate_is_in_force_while_its_request_lasts(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    struct rates *rates = profiler_rates(fixture.profiler);
    EACH_TYPE(type) {
        if (type->rate == PROFILE_RATE_NONE || type->needs_window)
            continue;
        assert_int_equal(rates_in_force(rates, type->rate), 0);
        int fd = send_for(fixture.number, type, "?seconds=3600&rate=7");
        AWAIT(rates_in_force(rates, type->rate) == 7);
        close(fd);
        AWAIT(rates_in_force(rates, type->rate) == 0);
    }
    close_debug(&fixture);
}

/* It may still read, and is told what Go tells it. */
static void a_client_that_goes_cancels_a_delta(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    EACH_TYPE(type) {
        if (!type->has_delta)
            continue;
        int fd = send_for(fixture.number, type, "?seconds=3600");
        shutdown(fd, SHUT_WR);
        char *answer = client_receive_all(fd);
        assert_string_equal(answer, HEAD("500 Internal Server Error", TEXT,
                                         "X-Go-Pprof: 1\r\nContent-Length: 17\r\nConnection: close\r\n\r\n")
                                    "context canceled\n");
        mem_free(answer);
        close(fd);
    }
    close_debug(&fixture);
}

static void a_client_that_has_said_all_gets_the_part_that_it_asks_for(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    EACH_TYPE(type) {
        if (!type->has_delta && !type->needs_window)
            continue;
        uint64_t start_ns = clock_monotonic_ns();
        int fd = send_for(fixture.number, type, "?seconds=3600&partial=1");
        shutdown(fd, SHUT_WR);
        char *file_name = mem_printf("%s%s", type->name, type->has_delta ? "-delta" : "");
        struct profile *profile = receive_profile_file(fd, file_name);
        assert_columns(profile, type);
        assert_in_range(profile->duration_ns, 1, clock_monotonic_ns() - start_ns);
        assert_true(profile->period > 0);
        profile_destroy(profile);
        mem_free(file_name);
    }
    close_debug(&fixture);
}

static void closing_the_port_ends_every_request(void **state)
{
    (void)state;
    enum { TYPES_MAX = 32 };
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    int fds[TYPES_MAX];
    unsigned count = 0;
    EACH_TYPE(type)
        fds[count++] = send_for(fixture.number, type, "?seconds=3600");
    http_port_close(fixture.port);
    fixture.port = NULL;
    while (count > 0)
        close(fds[--count]);
    close_debug(&fixture);
}

/* What a task tells that has waited; each time 1 ms at the same place. The port's own tasks wait too, for other
 * things. */
static const char planted_reason[] = "planted wait";

static void wait_events(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        probe_sink_now()->waited(planted_reason, 1000000, 2000000);
}

static bool is_planted(const struct profile *profile, const struct profile_sample *sample)
{
    for (uint32_t i = 0; i < sample->label_count; i++)
        if (strcmp(profile_text(profile, profile_label_at(profile, sample->label_start + i).text), planted_reason) == 0)
            return true;
    return false;
}

static int64_t total(const struct profile *profile, unsigned column)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++)
        if (is_planted(profile, &profile->samples[i]))
            sum += profile_sample_values(profile, &profile->samples[i])[column];
    return sum;
}

static int64_t unseen_contentions(int fd)
{
    struct profile *profile = receive_profile_file(fd, "block.pprof.gz");
    int64_t count = total(profile, 0);
    assert_int_equal(total(profile, 1), count * 1000000);
    profile_destroy(profile);
    return count;
}

static int send_from(uint16_t number, const char *host, const char *path)
{
    int fd = client_connect_from(number, host);
    char *request = mem_printf(REQUEST("GET %s"), path);
    client_send(fd, request);
    mem_free(request);
    return fd;
}

static void each_scraper_gets_what_it_has_not_seen(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    struct profiler_options options = profiler_options(fixture.profiler);
    options.block_rate = 1;
    profiler_reconfigure(fixture.profiler, &options);

    wait_events(3);
    assert_int_equal(unseen_contentions(send_get(fixture.number, "/debug/pprof/delta_block")), 3);
    assert_int_equal(unseen_contentions(send_get(fixture.number, "/debug/pprof/delta_block")), 0);
    wait_events(2);
    char *head = client_request(fixture.number, "HEAD", "/debug/pprof/delta_block");
    assert_starts_with(head, HEAD("200 OK", "application/octet-stream",
                                  "Content-Disposition: attachment; filename=\"block.pprof.gz\"\r\n"));
    mem_free(head);
    assert_int_equal(unseen_contentions(send_get(fixture.number, "/debug/pprof/delta_block")), 2);

    /* Others have their own cursor, each of them, until eight of them have come after it. */
    for (unsigned i = 2; i < 9; i++) {
        char *host = mem_printf("127.0.0.%u", i);
        assert_int_equal(unseen_contentions(send_from(fixture.number, host, "/debug/pprof/delta_block")), 5);
        mem_free(host);
    }
    assert_int_equal(unseen_contentions(send_get(fixture.number, "/debug/pprof/delta_block")), 0);
    assert_int_equal(unseen_contentions(send_from(fixture.number, "127.0.0.9", "/debug/pprof/delta_block")), 5);
    assert_int_equal(unseen_contentions(send_get(fixture.number, "/debug/pprof/delta_block")), 0);
    assert_int_equal(unseen_contentions(send_from(fixture.number, "127.0.0.2", "/debug/pprof/delta_block")), 5);

    /* The cumulative profile is as it was. */
    struct profile *all = receive_profile_file(send_get(fixture.number, "/debug/pprof/block"), "block");
    assert_int_equal(total(all, 0), 5);
    profile_destroy(all);
    close_debug(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scraper_gets_what_it_has_not_seen),
        cmocka_unit_test(every_type_is_served_by_its_name),
        cmocka_unit_test(fgprof_is_also_where_its_own_package_has_it),
        cmocka_unit_test(seconds_make_a_delta_of_what_has_one),
        cmocka_unit_test(debug_selects_the_text_where_there_is_one),
        cmocka_unit_test(head_has_the_headers_and_no_body),
        cmocka_unit_test(what_a_delta_cannot_be_is_refused_in_the_order_of_go),
        cmocka_unit_test(seconds_of_a_leak_are_an_age),
        cmocka_unit_test(rates_are_for_types_that_have_one),
        cmocka_unit_test(a_rate_is_in_force_while_its_request_lasts),
        cmocka_unit_test(a_client_that_goes_cancels_a_delta),
        cmocka_unit_test(a_client_that_has_said_all_gets_the_part_that_it_asks_for),
        cmocka_unit_test(closing_the_port_ends_every_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
