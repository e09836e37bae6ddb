/* test_metrics.c: what is counted is what is shown, in both text formats. */
#include "metrics/metrics.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const uint64_t few_bounds[] = {1000000, 1000000000};
static const struct metric_buckets few_buckets = {1e9, 2, few_bounds};

/* The whole exposition; the caller frees it. */
static char *exposed(struct metrics *metrics, enum metrics_format format)
{
    struct buf text;
    buf_init(&text);
    metrics_expose(metrics, format, &text);
    char *copy = mem_copy_string(buf_string(&text));
    buf_deinit(&text);
    return copy;
}

static void assert_exposed(struct metrics *metrics, enum metrics_format format, const char *expected)
{
    char *text = exposed(metrics, format);
    assert_string_equal(text, expected);
    mem_free(text);
}

static void counters_and_gauges_are_shown_with_their_labels(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct metric_counter *fetches =
        metrics_counter(metrics, "takhin_requests_total", "Requests.", METRIC_LABELS("api", "Fetch", "version", "13"));
    struct metric_counter *produces =
        metrics_counter(metrics, "takhin_requests_total", "Requests.", METRIC_LABELS("api", "Produce", "version", "9"));
    struct metric_gauge *connections = metrics_gauge(metrics, "takhin_connections", "Open ones.", METRIC_NO_LABELS);

    metric_counter_add(fetches, 3);
    metric_counter_add(produces, 1);
    metric_gauge_set(connections, 5);
    metric_gauge_add(connections, -7);

    assert_exposed(metrics, METRICS_TEXT,
                   "# HELP takhin_requests_total Requests.\n"
                   "# TYPE takhin_requests_total counter\n"
                   "takhin_requests_total{api=\"Fetch\",version=\"13\"} 3\n"
                   "takhin_requests_total{api=\"Produce\",version=\"9\"} 1\n"
                   "# HELP takhin_connections Open ones.\n"
                   "# TYPE takhin_connections gauge\n"
                   "takhin_connections -2\n");
    metrics_destroy(metrics);
}

static void openmetrics_differs_where_it_has_to(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    metric_counter_add(metrics_counter(metrics, "a_total", "An \"a\".", METRIC_NO_LABELS), 1);
    metric_histogram_observe(metrics_histogram(metrics, "b_seconds", "B.", &few_buckets, METRIC_NO_LABELS), 1500000);

    assert_exposed(metrics, METRICS_OPENMETRICS,
                   "# HELP a An \\\"a\\\".\n# TYPE a counter\na_total 1\n"
                   "# HELP b_seconds B.\n# TYPE b_seconds histogram\n"
                   "b_seconds_bucket{le=\"0.001\"} 0\nb_seconds_bucket{le=\"1.0\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\n"
                   "b_seconds_sum 0.0015\nb_seconds_count 1\n"
                   "# EOF\n");
    assert_exposed(metrics, METRICS_TEXT,
                   "# HELP a_total An \"a\".\n# TYPE a_total counter\na_total 1\n"
                   "# HELP b_seconds B.\n# TYPE b_seconds histogram\n"
                   "b_seconds_bucket{le=\"0.001\"} 0\nb_seconds_bucket{le=\"1\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\n"
                   "b_seconds_sum 0.0015\nb_seconds_count 1\n");
    metrics_destroy(metrics);
}

static void a_buckets_bound_belongs_to_it(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct metric_histogram *histogram =
        metrics_histogram(metrics, "h_seconds", "H.", &few_buckets, METRIC_LABELS("api", "Fetch"));

    metric_histogram_observe(histogram, 1000000);
    metric_histogram_observe(histogram, 1000001);
    metric_histogram_observe(histogram, 1000000001);

    assert_exposed(metrics, METRICS_TEXT,
                   "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
                   "h_seconds_bucket{api=\"Fetch\",le=\"0.001\"} 1\n"
                   "h_seconds_bucket{api=\"Fetch\",le=\"1\"} 2\n"
                   "h_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 3\n"
                   "h_seconds_sum{api=\"Fetch\"} 1.002000002\n"
                   "h_seconds_count{api=\"Fetch\"} 3\n");
    metrics_destroy(metrics);
}

static void the_same_name_and_labels_are_the_same_series(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct metric_counter *first = metrics_counter(metrics, "a_total", "A.", METRIC_LABELS("x", "1"));

    assert_ptr_equal(metrics_counter(metrics, "a_total", "A.", METRIC_LABELS("x", "1")), first);
    assert_ptr_not_equal(metrics_counter(metrics, "a_total", "A.", METRIC_LABELS("x", "2")), first);
    metrics_destroy(metrics);
}

static void label_values_cannot_break_the_line(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_gauge(metrics, "g", "Back\\slash\nand line.", METRIC_LABELS("name", "a\"b\\c\nd\xff\x01"));

    assert_exposed(metrics, METRICS_TEXT,
                   "# HELP g Back\\\\slash\\nand line.\n# TYPE g gauge\ng{name=\"a\\\"b\\\\c\\nd??\"} 0\n");
    metrics_destroy(metrics);
}

static void collect_two(struct metrics_writer *writer, void *context)
{
    const double *value = context;
    metrics_write_family(writer, METRIC_GAUGE, "lag_seconds", "Lag.");
    metrics_write_sample(writer, *value, METRIC_LABELS("reactor", "one"));
    metrics_write_sample(writer, 1.0 / 0.0, METRIC_LABELS("reactor", "two"));
}

static void collectors_write_until_they_are_removed(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    double first = 0.1, second = 2e300;
    metrics_collector_add(metrics, collect_two, &first);
    assert_exposed(metrics, METRICS_TEXT,
                   "# HELP lag_seconds Lag.\n# TYPE lag_seconds gauge\n"
                   "lag_seconds{reactor=\"one\"} 0.1\nlag_seconds{reactor=\"two\"} +Inf\n");

    metrics_collector_remove(metrics, &first);
    assert_exposed(metrics, METRICS_TEXT, "");

    metrics_collector_add(metrics, collect_two, &second);
    assert_exposed(metrics, METRICS_TEXT,
                   "# HELP lag_seconds Lag.\n# TYPE lag_seconds gauge\n"
                   "lag_seconds{reactor=\"one\"} 2e+300\nlag_seconds{reactor=\"two\"} +Inf\n");
    metrics_destroy(metrics);
}

struct shared {
    struct metrics *metrics;
    struct metric_histogram *histogram;
    struct metric_counter *counter;
};

#define UPDATES 20000

static void *update_much(void *argument)
{
    struct shared *shared = argument;
    for (uint64_t i = 0; i < UPDATES; i++) {
        metric_counter_add(shared->counter, 1);
        metric_histogram_observe(shared->histogram, i * 100000);
    }
    return NULL;
}

/* The number behind this name at the start of a line. */
static uint64_t number_of(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    assert_non_null(found);
    return strtoull(found + strlen(name), NULL, 10);
}

static void threads_lose_no_update_and_readers_see_whole_histograms(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct shared shared = {
        metrics,
        metrics_histogram(metrics, "h_seconds", "H.", &metric_buckets_latency, METRIC_NO_LABELS),
        metrics_counter(metrics, "c_total", "C.", METRIC_NO_LABELS),
    };
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update_much, &shared), 0);

    for (int i = 0; i < 20; i++) {
        char *text = exposed(metrics, METRICS_TEXT);
        assert_int_equal(number_of(text, "\nh_seconds_bucket{le=\"+Inf\"} "), number_of(text, "\nh_seconds_count "));
        mem_free(text);
    }
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_join(threads[i], NULL);

    char *text = exposed(metrics, METRICS_TEXT);
    assert_int_equal(number_of(text, "\nc_total "), 3 * UPDATES);
    assert_int_equal(number_of(text, "\nh_seconds_count "), 3 * UPDATES);
    mem_free(text);
    metrics_destroy(metrics);
}

static void the_process_describes_itself(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_add_process(metrics, "1.2.3");
    char *text = exposed(metrics, METRICS_TEXT);

    assert_non_null(strstr(text, "\ntakhin_build_info{version=\"1.2.3\"} 1\n"));
    assert_in_range(number_of(text, "\nprocess_threads "), 1, 3); /* a sanitizer has one of its own */
    assert_true(number_of(text, "\nprocess_open_fds ") >= 3);
    assert_true(number_of(text, "\nprocess_max_fds ") > number_of(text, "\nprocess_open_fds "));
    assert_true(number_of(text, "\nprocess_resident_memory_bytes ") > 100000);
    assert_true(number_of(text, "\nprocess_virtual_memory_bytes ") > 1000000);
    assert_true(strtod(strstr(text, "\nprocess_cpu_seconds_total ") + 27, NULL) > 0);
    int64_t age = (int64_t)time(NULL) - (int64_t)number_of(text, "\nprocess_start_time_seconds ");
    assert_in_range(age + 2, 0, 300);
    mem_free(text);
    metrics_destroy(metrics);
}

static void promtool_finds_nothing_to_say(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null") != 0) {
        print_message("promtool is not installed\n");
        skip();
    }
    struct metrics *metrics = metrics_create();
    metrics_add_process(metrics, "1.2.3");
    metrics_counter(metrics, "takhin_errors_total", "Errors.", METRIC_LABELS("api", "Fetch", "error", "a\"b"));
    struct metric_histogram *latency =
        metrics_histogram(metrics, "takhin_request_latency_seconds", "From the last byte of a request to its answer.",
                          &metric_buckets_latency, METRIC_LABELS("api", "Fetch"));
    metric_histogram_observe(latency, 123456);
    metric_histogram_observe(latency, UINT64_MAX / 2);
    metrics_histogram(metrics, "takhin_request_size_bytes", "Size.", &metric_buckets_size, METRIC_NO_LABELS);

    FILE *promtool = popen("promtool check metrics 2>&1", "w");
    assert_non_null(promtool);
    char *text = exposed(metrics, METRICS_TEXT);
    assert_true(fputs(text, promtool) >= 0);
    assert_int_equal(pclose(promtool), 0);
    mem_free(text);
    metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_are_shown_with_their_labels),
        cmocka_unit_test(openmetrics_differs_where_it_has_to),
        cmocka_unit_test(a_buckets_bound_belongs_to_it),
        cmocka_unit_test(the_same_name_and_labels_are_the_same_series),
        cmocka_unit_test(label_values_cannot_break_the_line),
        cmocka_unit_test(collectors_write_until_they_are_removed),
        cmocka_unit_test(the_process_describes_itself), /* before others start threads, which are seen a while longer */
        cmocka_unit_test(threads_lose_no_update_and_readers_see_whole_histograms),
        cmocka_unit_test(promtool_finds_nothing_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
