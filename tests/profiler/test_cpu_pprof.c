/* test_cpu_pprof.c: every report of `go tool pprof` reads our CPU profiles without a word of complaint. */
#include "profiler/type.h"

#include "base/mem.h"
#include "base/probe.h"
#include "burn.h"
#include "one_profiler.h"
#include "pprof/encode.h"
#include "profiler/cpu.h"
#include "profiler/profile_build.h"
#include "profiler/symbols.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char *const go_programs[] = {"/usr/local/go/bin/go", "/usr/lib/go-1.19/bin/go"};

static char folder[] = "/tmp/takhin-pprof-XXXXXX";

static int create(void **state)
{
    return create_profiler(state) == 0 && mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status, (void)type, (void)position;
    return remove(path);
}

static int destroy(void **state)
{
    destroy_profiler(state);
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static char *write_profile(const struct profile *profile, const char *name)
{
    struct buf encoded;
    buf_init(&encoded);
    profile_encode_gzip(profile, &encoded);
    char *path = path_of(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(encoded.data, 1, encoded.size, file), encoded.size);
    assert_int_equal(fclose(file), 0);
    buf_deinit(&encoded);
    return path;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = mem_alloc(1 << 20);
    size_t length = fread(text, 1, (1 << 20) - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

/* What the report prints; fails if it prints anything to standard error. The caller frees it. */
static char *report(const char *go, const char *arguments, const char *profile)
{
    char *output = path_of("output"), *complaints = path_of("complaints");
    /* A current Go builds pprof when it is first asked for, into the user's build cache. */
    char *command = mem_printf("cd %s && GOFLAGS= %s tool pprof %s %s > %s 2> %s", folder, go, arguments, profile,
                               output, complaints);
    int status = system(command);
    char *text = read_file(output), *errors = read_file(complaints);
    assert_string_equal(errors, "");
    assert_int_equal(status, 0);
    mem_free(errors);
    mem_free(command);
    mem_free(complaints);
    mem_free(output);
    return text;
}

/* A profile with all that one may hold: labels, libraries, nameless code, unknown addresses, lost samples. */
static struct profile *collect(void)
{
    struct stack_table *stacks = stack_table_create(2);
    uint32_t epoch = symbols_epoch(profiler_symbols(profiler));
    uintptr_t qsort_pc = (uintptr_t)dlsym(RTLD_DEFAULT, "qsort"), burn_pc = (uintptr_t)burn;
    uintptr_t pcs[] = {qsort_pc + 4, burn_pc + 4, 4242, (uintptr_t)collect + 8};
    struct stack_key keys[] = {
        {.epoch = epoch, .depth = 4, .pcs = pcs,
         .labels = {"Produce", "orders", "client", [LABEL_THREAD] = "reactor-0"}},
        {.epoch = epoch, .depth = 2, .pcs = pcs, .labels = {"Fetch", [LABEL_THREAD] = "reactor-1"}},
        {.epoch = epoch, .depth = 1, .labels[LABEL_THREAD] = "reactor-1", .pcs = pcs + 2},
        {.function = "[lost samples]", .labels[LABEL_THREAD] = "reactor-0"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        stack_table_add(stacks, &keys[i], (int64_t[]){(int64_t)i + 1, 10000000 * ((int64_t)i + 1)});
    struct collection collection = {
        .profiler = profiler, .type = profile_type_find(bytes_of_string("profile")), .stacks = stacks,
        .period = 10000000, .time_ns = 1700000000000000000, .duration_ns = NS_PER_S,
        .comments = {"lost: 4"}, .comment_count = 1,
    };
    struct profile *profile = profile_build(&collection);
    stack_table_destroy(stacks);
    return profile;
}

static void lost_samples_and_labels_are_shown(void **state)
{
    (void)state;
    struct profile *profile = collect();
    assert_int_equal(function_ns(profile, "[lost samples]"), 40000000);
    assert_int_equal(labelled_ns(profile, "api", "Produce"), 10000000);
    assert_int_equal(labelled_ns(profile, "client_id", "client"), 10000000);
    assert_int_equal(labelled_ns(profile, "thread", "reactor-1"), 50000000);
    assert_true(has_comment(profile, "lost: 4"));
    assert_true(stack_holds(profile, &profile->samples[0], "[lost samples]")); /* the heaviest comes first */
    profile_destroy(profile);
}

static void the_same_samples_give_the_same_bytes(void **state)
{
    (void)state;
    struct profile *first = collect(), *second = collect();
    struct buf first_bytes, second_bytes;
    buf_init(&first_bytes);
    buf_init(&second_bytes);
    profile_encode(first, &first_bytes);
    profile_encode(second, &second_bytes);
    assert_true(bytes_equal(buf_bytes(&first_bytes), buf_bytes(&second_bytes)));
    buf_deinit(&first_bytes);
    buf_deinit(&second_bytes);
    profile_destroy(first);
    profile_destroy(second);
}

static void go_tool_pprof_has_nothing_to_complain_of(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *expected;
    } reports[] = {
        {"-top", "[lost samples]"},          {"-top -cum", "qsort"},         {"-traces", "burn"},
        {"-raw", "M=1"},                     {"-tags", "reactor-0"},         {"-top -tagfocus=api=Produce", "qsort"},
        {"-comments", "lost: 4"}, {"-peek=qsort", "qsort"},     {"-proto", ""},
    };
    struct profile *profile = collect();
    char *path = write_profile(profile, "made-up.pb.gz");
    unsigned tried = 0;
    for (size_t g = 0; g < ARRAY_COUNT(go_programs); g++) {
        if (access(go_programs[g], X_OK) != 0)
            continue;
        tried++;
        for (size_t i = 0; i < ARRAY_COUNT(reports); i++) {
            char *text = report(go_programs[g], reports[i].arguments, path);
            assert_non_null(strstr(text, reports[i].expected));
            mem_free(text);
        }
    }
    mem_free(path);
    profile_destroy(profile);
    if (tried == 0)
        skip();
}

static void a_sampled_profile_passes_as_well(void **state)
{
    (void)state;
    struct collection *reader;
    assert_int_equal(open_cpu(profiler, 250, &reader), 0);
    burn(300 * NS_PER_MS);
    while (!SIGNALS_ARE_LATE && cpu_sampler_stats(profiler_cpu(profiler)).sample_count == 0)
        burn(NS_PER_MS); /* a busy machine may let it be without a tick */
    struct profile *profile = finish(reader);
    char *path = write_profile(profile, "sampled.pb.gz");
    for (size_t g = 0; g < ARRAY_COUNT(go_programs); g++) {
        if (access(go_programs[g], X_OK) != 0)
            continue;
        char *top = report(go_programs[g], "-top", path), *list = report(go_programs[g], "-raw", path);
        assert_true(SIGNALS_ARE_LATE || strstr(top, "burn"));
        assert_true(SIGNALS_ARE_LATE || strstr(list, "tests/profiler/burn.h"));
        mem_free(top);
        mem_free(list);
    }
    mem_free(path);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_samples_and_labels_are_shown),
        cmocka_unit_test(the_same_samples_give_the_same_bytes),
        cmocka_unit_test(go_tool_pprof_has_nothing_to_complain_of),
        cmocka_unit_test(a_sampled_profile_passes_as_well),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
