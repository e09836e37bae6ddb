/* simplify.c: pairs of brackets cut out of names that look like C++. */
#include "pprof/simplify.h"

#include "base/mem.h"

/* Java's "class.<init>" and Go's "foo.(*Bar[...]).Method" are none. */
static bool looks_like_cplusplus(const char *name)
{
    return strstr(name, ".<") == NULL && strstr(name, "]).") == NULL &&
           (strpbrk(name, "<>[]") != NULL || strstr(name, "::") != NULL);
}

/* Cut what is between two brackets, and them. From the first one that closes nothing, the rest stays. */
static void cut_brackets(char *name, char open, char close)
{
    uint32_t depth = 0;
    char *begin = name, *out = name;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == close && depth == 0) {
            memmove(out, at, strlen(at) + 1);
            return;
        }
        if (*at == open && depth++ == 0)
            begin = out;
        *out++ = *at;
        if (*at == close && --depth == 0)
            out = begin;
    }
    *out = '\0';
}

void profile_simplify_names(struct profile *profile)
{
    for (uint32_t i = 0; i < profile->function_count; i++) {
        struct profile_function *function = &profile->functions[i];
        if (function->name != 0 && function->name != function->system_name)
            continue;
        function->name = function->system_name;
        if (!looks_like_cplusplus(profile_text(profile, function->system_name)))
            continue;
        char *name = mem_copy_string(profile_text(profile, function->system_name));
        cut_brackets(name, '(', ')');
        cut_brackets(name, '<', '>');
        function->name = profile_string(profile, name);
        mem_free(name);
    }
}
