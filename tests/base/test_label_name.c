/* test_label_name.c: the names in most use have a text of their own. State is the process's, so each test has a key. */
#include "base/label.h"

#include "base/check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct label_name *find(enum label_key key, const char *prefix, unsigned number)
{
    char text[32];
    snprintf(text, sizeof text, "%s-%u", prefix, number);
    return label_name_find(key, bytes_of_string(text));
}

static const char *text_of(struct label_name *name)
{
    return atomic_load(&name->text);
}

static void use(struct label_name *name, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        (void)label_name_use(name);
}

static void the_most_used_have_their_text(void **state)
{
    (void)state;
    struct label_name *names[LABEL_VALUES_MAX + 1];
    for (unsigned i = 0; i <= LABEL_VALUES_MAX; i++)
        names[i] = find(LABEL_TOPIC, "t", i);
    const char *first = label_name_use(names[0]);
    assert_string_equal(first, "t-0");
    assert_string_equal(label_name_use(names[63]), "t-63");
    assert_ptr_equal(label_name_use(names[64]), label_other);

    /* As much as the others is not enough, a quarter more is. */
    for (unsigned i = 1; i < LABEL_VALUES_MAX; i++)
        use(names[i], 100);
    use(names[0], 80);
    use(names[64], 100);
    label_names_rank();
    assert_ptr_equal(text_of(names[0]), first);
    assert_ptr_equal(text_of(names[64]), label_other);
    for (unsigned i = 1; i < LABEL_VALUES_MAX; i++)
        use(names[i], 100);
    use(names[64], 1000);
    label_names_rank();
    assert_ptr_equal(text_of(names[0]), label_other);
    assert_string_equal(text_of(names[64]), "t-64");
    assert_string_equal(first, "t-0"); /* a profile may still point there */

    /* It comes back under the same text, once it is used more. */
    for (int round = 0; round < 20; round++) {
        use(names[0], 100);
        for (unsigned i = 1; i < LABEL_VALUES_MAX; i++)
            use(names[i], 100);
        label_names_rank();
    }
    assert_ptr_equal(text_of(names[0]), first);
    assert_ptr_equal(text_of(names[64]), label_other);
}

static void names_are_found_again_and_bounded(void **state)
{
    (void)state;
    struct label_name *first = find(LABEL_CLIENT_ID, "c", 0);
    assert_null(label_name_find(LABEL_CLIENT_ID, bytes_of_string("")));
    assert_null(label_name_use(NULL));
    for (unsigned i = 1; i < LABEL_NAMES_MAX; i++)
        assert_ptr_not_equal(find(LABEL_CLIENT_ID, "c", i), first);
    assert_ptr_equal(find(LABEL_CLIENT_ID, "c", 0), first);

    struct label_name *late = find(LABEL_CLIENT_ID, "late", 0);
    assert_ptr_equal(late, find(LABEL_CLIENT_ID, "later", 0));
    use(late, 100000);
    label_names_rank();
    assert_ptr_equal(text_of(late), label_other);
    unsigned shown_count = 0;
    for (unsigned i = 0; i < LABEL_NAMES_MAX; i++)
        shown_count += text_of(find(LABEL_CLIENT_ID, "c", i)) != label_other;
    assert_int_equal(shown_count, LABEL_VALUES_MAX);
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    char text[LABEL_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    struct label_name *name = label_name_find(LABEL_API, bytes_of(text, LABEL_TEXT_MAX + 1));
    assert_ptr_equal(name, label_name_find(LABEL_API, bytes_of(text, LABEL_TEXT_MAX + 2)));
    assert_int_equal(strlen(text_of(name)), LABEL_TEXT_MAX);
}

#define RACERS 3
#define RACE_USES 20000

static void *use_and_read(void *argument)
{
    const unsigned *number = argument;
    for (unsigned i = 0; i < RACE_USES; i++) {
        const char *text = label_name_use(find(LABEL_API, "r", (*number + i) % 100));
        ASSERT(text == label_other || text[0] == 'r');
    }
    return NULL;
}

static void ranking_disturbs_no_use(void **state)
{
    (void)state;
    pthread_t threads[RACERS];
    unsigned numbers[RACERS];
    for (unsigned i = 0; i < RACERS; i++) {
        numbers[i] = i * 31;
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_read, &numbers[i]), 0);
    }
    for (int i = 0; i < 50; i++)
        label_names_rank();
    for (unsigned i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    label_names_rank(); /* all uses are counted now, so those of 100 names make LABEL_VALUES_MAX shown */
    unsigned shown_count = 0;
    for (unsigned i = 0; i < 100; i++)
        shown_count += text_of(find(LABEL_API, "r", i)) != label_other;
    assert_int_equal(shown_count, LABEL_VALUES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_used_have_their_text),
        cmocka_unit_test(names_are_found_again_and_bounded),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(ranking_disturbs_no_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
