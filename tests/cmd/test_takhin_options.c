/* test_takhin_options.c: the command line of takhin. */
#include "cmd/takhin_options.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ARGUMENTS_MAX 5

struct parsed {
    int rc;
    struct takhin_options options;
    struct buf message;
};

static struct parsed parse(const char *const *arguments)
{
    char *argv[ARGUMENTS_MAX + 2] = {"takhin"};
    int argc = 1;
    for (; arguments[argc - 1]; argc++)
        argv[argc] = (char *)arguments[argc - 1];
    struct parsed parsed;
    buf_init(&parsed.message);
    parsed.rc = takhin_options_parse(argc, argv, &parsed.options, &parsed.message);
    return parsed;
}

static void flags_have_one_dash_or_two(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[ARGUMENTS_MAX];
        enum takhin_action action;
        const char *file;
    } cases[] = {
        {{NULL}, TAKHIN_RUN, NULL},
        {{"-config", "a.yaml"}, TAKHIN_RUN, "a.yaml"},
        {{"--config", "a.yaml"}, TAKHIN_RUN, "a.yaml"},
        {{"-config=a=b.yaml"}, TAKHIN_RUN, "a=b.yaml"},
        {{"--config=a.yaml"}, TAKHIN_RUN, "a.yaml"},
        {{"-config", "-odd-name"}, TAKHIN_RUN, "-odd-name"},
        {{"-config", "a.yaml", "-check-config"}, TAKHIN_CHECK_CONFIG, "a.yaml"},
        {{"--check-config", "-config", "a.yaml"}, TAKHIN_CHECK_CONFIG, "a.yaml"},
        {{"-print-config"}, TAKHIN_PRINT_CONFIG, NULL},
        {{"--version"}, TAKHIN_PRINT_VERSION, NULL},
        {{"-h"}, TAKHIN_PRINT_HELP, NULL},
        {{"--h"}, TAKHIN_PRINT_HELP, NULL},
        {{"-help"}, TAKHIN_PRINT_HELP, NULL},
        {{"--help"}, TAKHIN_PRINT_HELP, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct parsed parsed = parse(cases[i].arguments);
        assert_int_equal(parsed.rc, 0);
        assert_int_equal(parsed.options.action, cases[i].action);
        if (cases[i].file)
            assert_string_equal(parsed.options.config_file, cases[i].file);
        else
            assert_null(parsed.options.config_file);
        buf_deinit(&parsed.message);
    }
}

static void wrong_arguments_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[ARGUMENTS_MAX];
        const char *message;
    } cases[] = {
        {{"-confg", "a.yaml"}, "-confg: no such flag"},
        {{"---config", "a.yaml"}, "---config: no such flag"},
        {{"-"}, "-: no such flag"},
        {{"--"}, "--: no such flag"},
        {{"-conf"}, "-conf: no such flag"},
        {{"a.yaml"}, "a.yaml: only flags may stand here"},
        {{""}, ": only flags may stand here"},
        {{"-config"}, "-config needs a file"},
        {{"-config="}, "-config needs a file"},
        {{"-config", ""}, "-config needs a file"},
        {{"-check-config=true"}, "-check-config=true: -check-config takes no value"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct parsed parsed = parse(cases[i].arguments);
        assert_int_equal(parsed.rc, ERR_CONFIG);
        assert_string_equal(buf_string(&parsed.message), cases[i].message);
        buf_deinit(&parsed.message);
    }
}

static void help_has_flags_and_keys(void **state)
{
    (void)state;
    struct buf usage, help;
    buf_init(&usage);
    buf_init(&help);
    takhin_options_write_usage(&usage);
    takhin_options_write_help(&help);
    assert_non_null(strstr(buf_string(&usage), "\n  -config FILE\n"));
    assert_non_null(strstr(buf_string(&usage), "\n  -print-config\n"));
    assert_null(strstr(buf_string(&usage), "profiler.port"));
    assert_non_null(strstr(buf_string(&help), buf_string(&usage)));
    assert_non_null(strstr(buf_string(&help), "\n  profiler.port (6060)\n"));
    buf_deinit(&usage);
    buf_deinit(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_have_one_dash_or_two),
        cmocka_unit_test(wrong_arguments_are_named),
        cmocka_unit_test(help_has_flags_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
