/* test_rates.c: of all who want a rate, the finest is in force, and as long as it is wanted. */
#include "profiler/rates.h"

#include "base/error.h"
#include "profiler/contention.h"
#include "profiler/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct rates *rates;

static int create(void **state)
{
    (void)state;
    rates = rates_create();
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    rates_destroy(rates);
    return 0;
}

static void configure(int64_t mem_rate, int64_t block_rate, int64_t mutex_fraction)
{
    rates_configure(rates, &(struct profiler_options){
        .cpu_hz = 100, .mem_rate = mem_rate, .block_rate = block_rate, .mutex_fraction = mutex_fraction});
}

static void assert_in_force(int64_t mem_rate, int64_t block_rate, int64_t mutex_fraction)
{
    assert_int_equal(heap_rate(), mem_rate);
    assert_int_equal(contention_rate(CONTENTION_BLOCK), block_rate);
    assert_int_equal(contention_rate(CONTENTION_MUTEX), mutex_fraction);
}

static void all_is_off_at_first_and_at_last(void **state)
{
    (void)state;
    assert_in_force(0, 0, 0);
    configure(4096, 1000, 5);
    rates_destroy(rates);
    assert_in_force(0, 0, 0);
    rates = rates_create();
}

static void what_is_configured_is_in_force(void **state)
{
    (void)state;
    configure(524288, 10000, 100);
    assert_in_force(524288, 10000, 100);
    configure(4096, 0, 1);
    assert_in_force(4096, 0, 1);
}

static void a_request_gets_a_finer_rate_for_as_long_as_it_runs(void **state)
{
    (void)state;
    configure(524288, 10000, 100);
    rates_push(rates, PROFILE_RATE_MEMORY, 4096);
    rates_push(rates, PROFILE_RATE_MUTEX, 1);
    assert_in_force(4096, 10000, 1);
    rates_pop(rates, PROFILE_RATE_MEMORY, 4096);
    assert_in_force(524288, 10000, 1);
    rates_pop(rates, PROFILE_RATE_MUTEX, 1);
    assert_in_force(524288, 10000, 100);
}

static void a_request_cannot_make_it_coarser_for_others(void **state)
{
    (void)state;
    configure(4096, 0, 0);
    rates_push(rates, PROFILE_RATE_MEMORY, 524288);
    assert_in_force(4096, 0, 0);
    rates_pop(rates, PROFILE_RATE_MEMORY, 524288);
    assert_in_force(4096, 0, 0);
}

static void off_is_coarser_than_any_rate(void **state)
{
    (void)state;
    rates_push(rates, PROFILE_RATE_BLOCK, 1000000);
    assert_in_force(0, 1000000, 0);
    rates_pop(rates, PROFILE_RATE_BLOCK, 1000000);
    assert_in_force(0, 0, 0);
}

static void of_two_that_overlap_the_finer_counts_while_it_lasts(void **state)
{
    (void)state;
    configure(524288, 0, 0);
    rates_push(rates, PROFILE_RATE_MEMORY, 65536);
    rates_push(rates, PROFILE_RATE_MEMORY, 8192);
    assert_in_force(8192, 0, 0);
    rates_pop(rates, PROFILE_RATE_MEMORY, 65536); /* the first to come is the first to go */
    assert_in_force(8192, 0, 0);
    rates_push(rates, PROFILE_RATE_MEMORY, 8192); /* the same twice is two */
    rates_pop(rates, PROFILE_RATE_MEMORY, 8192);
    assert_in_force(8192, 0, 0);
    rates_pop(rates, PROFILE_RATE_MEMORY, 8192);
    assert_in_force(524288, 0, 0);
}

static void configuring_anew_leaves_a_request_its_rate(void **state)
{
    (void)state;
    rates_push(rates, PROFILE_RATE_MEMORY, 8192);
    configure(524288, 0, 0);
    assert_in_force(8192, 0, 0);
    configure(1024, 0, 0);
    assert_in_force(1024, 0, 0);
    configure(0, 0, 0);
    assert_in_force(8192, 0, 0);
    rates_pop(rates, PROFILE_RATE_MEMORY, 8192);
    assert_in_force(0, 0, 0);
}

static void rates_are_checked_against_their_limits(void **state)
{
    (void)state;
    const struct {
        enum profile_rate kind;
        int64_t maximum;
    } limits[] = {
        {PROFILE_RATE_HZ, PROFILER_CPU_HZ_MAX},
        {PROFILE_RATE_MEMORY, PROFILER_MEM_RATE_MAX},
        {PROFILE_RATE_BLOCK, PROFILER_BLOCK_RATE_MAX},
        {PROFILE_RATE_MUTEX, PROFILER_MUTEX_FRACTION_MAX},
    };
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        assert_int_equal(rates_maximum(limits[i].kind), limits[i].maximum);
        assert_int_equal(rates_check(limits[i].kind, 1), 0);
        assert_int_equal(rates_check(limits[i].kind, limits[i].maximum), 0);
        assert_int_equal(rates_check(limits[i].kind, limits[i].maximum + 1), ERR_OUT_OF_RANGE);
        assert_int_equal(rates_check(limits[i].kind, 0), ERR_OUT_OF_RANGE);
        assert_int_equal(rates_check(limits[i].kind, -1), ERR_OUT_OF_RANGE);
    }
    assert_int_equal(rates_maximum(PROFILE_RATE_NONE), 0);
    assert_int_equal(rates_check(PROFILE_RATE_NONE, 1), ERR_OUT_OF_RANGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)
    const struct CMUnitTest tests[] = {
        TEST(all_is_off_at_first_and_at_last),
        TEST(what_is_configured_is_in_force),
        TEST(a_request_gets_a_finer_rate_for_as_long_as_it_runs),
        TEST(a_request_cannot_make_it_coarser_for_others),
        TEST(off_is_coarser_than_any_rate),
        TEST(of_two_that_overlap_the_finer_counts_while_it_lasts),
        TEST(configuring_anew_leaves_a_request_its_rate),
        TEST(rates_are_checked_against_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
