/* test_pattern.c: what Go's syntax means, and what is refused rather than misunderstood. */
#include "pprof/pattern.h"

#include "base/error.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expressions_match_what_they_match_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text;
        bool matches, matches_whole;
    } cases[] = {
        {"", "anything", true, false},
        {"", "", true, true},
        {"append", "storage_log_append", true, false},
        {"^append$", "append", true, true},
        {"a|b", "b", true, true},
        {"ab|cd", "abd", true, false},
        {"(?i)APPEND", "append", true, true},
        {"(?:malloc|free)", "free", true, true},
        {"(?P<name>x)(?<other>y)", "xy", true, true},
        {"a.*?b+?c??", "axxbb", true, true},
        {"\\d+\\.\\d{2}", "12.34", true, true},
        {"\\D", "7", false, false},
        {"[\\d_]+", "1_2", true, true},
        {"[^\\w]", "a_9", false, false},
        {"[\\W]", "a-9", true, false},
        {"\\s\\S", " x", true, true},
        {"\\bserve\\b", "to serve it", true, false},
        {"\\bserve\\b", "observers", false, false},
        {"\\Bserve", "observers", true, false},
        {"\\Aa.c\\z", "abc", true, true},
        {"\\Qa.b(\\E+", "a.b((", true, true},
        {"\\Qa.b", "a.b", true, true},
        {"\\x41\\x{42}\\t", "AB\t", true, true},
        {"[]x]", "]", true, true},
        {"[^]x]", "]", false, false},
        {"[a\\]]", "]", true, true},
        {"[\\^\\-]+", "^-", true, true},
        {"[\\[:a]+", "[:a", true, true},
        {"[[:alpha:]_]+[[:digit:]]", "ab_9", true, true},
        {"[a-c-]+", "a-c", true, true},
        {"[\\]\\[^-]+", "[]^-", true, true},
        {"\\^", "^", true, true},
        {"[\\^]", "^", true, true},
        {"a{2}", "aa", true, true},
        {"a{2,}", "aaaa", true, true},
        {"a{1,2}b", "aaab", true, false},
        {"a{0}b", "b", true, true},
        {"{x}", "{x}", true, true},
        {"a{,3}", "a{,3}", true, true},
        {"(a|b)*c", "ababc", true, true},
        {"(|x)y", "y", true, true},
        {"\xc3\xa9+", "\xc3\xa9\xc3\xa9", true, true},
        {"std::(vector|map)<.*>", "std::map<int>", true, true},
        {"operator new\\(.*\\)", "operator new(unsigned long)", true, true},
        {"/", "/a/b", true, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        for (int is_whole = 0; is_whole < 2; is_whole++) {
            struct pattern *pattern;
            assert_int_equal(pattern_compile(cases[i].expression, is_whole, &pattern), 0);
            bool matches = pattern_matches(pattern, bytes_of_string(cases[i].text));
            if (matches != (is_whole ? cases[i].matches_whole : cases[i].matches))
                fail_msg("%s on %s, whole: %d", cases[i].expression, cases[i].text, is_whole);
            pattern_destroy(pattern);
        }
    }
}

static void a_text_is_matched_to_its_end_and_no_further(void **state)
{
    (void)state;
    struct pattern *pattern;
    assert_int_equal(pattern_compile("b$", false, &pattern), 0);
    assert_true(pattern_matches(pattern, bytes_of("abc", 2)));
    assert_false(pattern_matches(pattern, bytes_of("abc", 3)));
    assert_false(pattern_matches(pattern, bytes_of(NULL, 0)));
    pattern_destroy(pattern);
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const char *const expressions[] = {
        "(", ")", "a)", "(a", "[", "[a", "[b-a]", "*", "+a", "a**", "a+{2}", "{2}", "a{2", "a{3,1}b", "a{1001}",
        "\\", "\\1", "\\pL", "\\x", "\\x{", "\\xff", "\\x{1F600}", "\\k", "(?s)a", "(?i", "(?=a)", "(?<=a)b", "(?<!a)b",
        "a(?i)b", "[[:nothing:]]", "[[:^alpha:]]", "[\\pL]", "[\xc3\xa9]", "[]", "[a-\\d]", "^*", "(*)", "a|*",
        "((a{100}){100}){100}", "(((((a{9}){9}){9}){9}){9})", "(a{1000}){6}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(expressions); i++) {
        struct pattern *pattern;
        if (strcmp(expressions[i], "a{2") == 0) {
            assert_int_equal(pattern_compile(expressions[i], false, &pattern), 0); /* a brace, as in Go */
            pattern_destroy(pattern);
            continue;
        }
        if (pattern_compile(expressions[i], false, &pattern) != ERR_MALFORMED)
            fail_msg("%s", expressions[i]);
        assert_null(pattern);
    }
}

static void nesting_and_length_are_bounded(void **state)
{
    (void)state;
    char text[5001];
    struct pattern *pattern;
    for (int depth = 50; depth <= 51; depth++) {
        memset(text, '(', (size_t)depth);
        text[depth] = 'a';
        memset(text + depth + 1, ')', (size_t)depth);
        text[2 * depth + 1] = '\0';
        assert_int_equal(pattern_compile(text, true, &pattern), depth == 50 ? 0 : ERR_MALFORMED);
        pattern_destroy(pattern);
    }
    memset(text, 'a', sizeof(text));
    text[4096] = '\0';
    assert_int_equal(pattern_compile(text, true, &pattern), 0);
    pattern_destroy(pattern);
    text[4096] = 'a';
    text[4097] = '\0';
    assert_int_equal(pattern_compile(text, true, &pattern), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_match_what_they_match_in_go),
        cmocka_unit_test(a_text_is_matched_to_its_end_and_no_further),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(nesting_and_length_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
