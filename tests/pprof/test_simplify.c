/* test_simplify.c: names as pprof shows them. */
#include "pprof/simplify.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_are_those_of_pprof(void **state)
{
    (void)state;
    static const struct {
        const char *name, *system_name, *shown;
    } cases[] = {
        {"main", "main", "main"},
        {"", "_start", "_start"},
        {"main.(*T[...]).Run", "main.(*T[...]).Run", "main.(*T[...]).Run"},
        {"Widget.<init>", "Widget.<init>", "Widget.<init>"},
        {"std::vector<int, std::allocator<int> >::push_back(int const&)",
         "std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector::push_back"},
        {"a::b() const", "a::b() const", "a::b const"},
        {"a::f(b", "a::f(b", "a::f(b"},
        {"a::f)(b)", "a::f)(b)", "a::f)(b)"},
        {"a::f(x)y)(b)", "a::f(x)y)(b)", "a::fy)(b)"},
        {"f(int)", "f(int)", "f(int)"}, /* nothing says that it is C++ */
        {"ns::f(int)", "_ZN2ns1fEi", "ns::f(int)"}, /* demangled by somebody who wanted it so */
        {"_ZN2ns1fEi", "_ZN2ns1fEi", "_ZN2ns1fEi"},
    };
    struct profile *profile = profile_create();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct profile_function function = {.name = profile_string(profile, cases[i].name),
                                            .system_name = profile_string(profile, cases[i].system_name),
                                            .start_line = (int64_t)i};
        profile_add_function_record(profile, &function);
    }
    profile_simplify_names(profile);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_string_equal(profile_text(profile, profile->functions[i].name), cases[i].shown);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_pprof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
