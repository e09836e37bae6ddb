/* test_flamegraph.c: the data in the page, golden, and that no name gets out of it. What the page makes of it is
 * flamegraph_page.py's. */
#include "pprof/flamegraph.h"

#include "base/error.h"
#include "example.h"
#include "flamegraph_profiles.h"
#include "pprof/flamegraph_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DATA_BEGIN "<script type=\"application/json\" id=\"data\">"
#define DATA_END "</script>"

/* The caller frees it. */
static char *data_of(struct profile *profile, struct profile *base, const struct flamegraph_options *options)
{
    struct buf page;
    buf_init(&page);
    assert_int_equal(profile_write_flamegraph(profile, base, options, &page), 0);
    const char *begin = strstr(buf_string(&page), DATA_BEGIN);
    assert_non_null(begin);
    begin += strlen(DATA_BEGIN);
    const char *end = strstr(begin, DATA_END);
    assert_non_null(end);
    char *data = mem_copy_bytes(bytes_of(begin, (size_t)(end - begin)));
    buf_deinit(&page);
    profile_destroy(profile);
    profile_destroy(base);
    return data;
}

static struct filter filter_of(const struct profile *profile, const struct filter_options *options)
{
    struct filter filter;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(filter_init(&filter, profile, options, &problem), 0);
    buf_deinit(&problem);
    return filter;
}

static void assert_data(struct profile *profile, struct profile *base, const struct flamegraph_options *options,
                        const char *expected)
{
    char *data = data_of(profile, base, options);
    assert_string_equal(data, expected);
    mem_free(data);
}

static void profile_becomes_the_golden_data(void **state)
{
    (void)state;
    assert_data(example_heap(), NULL, NULL,
                "{\"type\":1,\n"
                "\"types\":[[\"alloc_objects\",\"count\"],[\"alloc_space\",\"bytes\"],"
                "[\"inuse_objects\",\"count\"],[\"inuse_space\",\"bytes\"]],\n"
                "\"title\":\"\",\n\"program\":\"libuv.so.1\",\n\"comments\":[],\n"
                "\"frames\":[1,2,12,0,3,0,0,2],\n"
                "\"nodes\":[1,0,1,1],\n"
                "\"profile\":{\"time_ms\":0,\"duration_ns\":0,"
                "\"samples\":[2,0,3,1572864,1,524288,1,1,1,1024,0,0]},\n"
                "\"labels\":[[4,5],[]],\n"
                "\"strings\":[\"\",\"main\",\"src/main.c\",\"[libuv.so.1]\",\"bytes\",\"512kB\"]}");
}

static void base_shares_the_tree_and_its_types_are_found_by_name(void **state)
{
    (void)state;
    struct profile *profile = example_empty(), *base = profile_create();
    example_add(profile, "a;b", (int64_t[]){1, 10}, "", "");
    profile_add_sample_type(base, "cpu", "nanoseconds");
    profile_add_sample_type(base, "wall", "nanoseconds");
    base->time_ns = 5000000;
    base->duration_ns = 7;
    example_add(base, "a", (int64_t[]){30, 99}, "api", "x");
    struct filter filter = filter_of(profile, &(struct filter_options){.sample_index = "samples"});
    assert_data(profile, base, &(struct flamegraph_options){.title = "t", .filter = &filter},
                "{\"type\":0,\n"
                "\"types\":[[\"samples\",\"count\"],[\"cpu\",\"nanoseconds\"]],\n"
                "\"title\":\"t\",\n\"program\":\"\",\n\"comments\":[],\n"
                "\"frames\":[1,2,2,0,3,2,2,0],\n"
                "\"nodes\":[1,0,1,1],\n"
                "\"profile\":{\"time_ms\":0,\"duration_ns\":0,\"samples\":[2,0,1,10]},\n"
                "\"base\":{\"time_ms\":5,\"duration_ns\":7,\"samples\":[1,1,0,30]},\n"
                "\"labels\":[[],[4,5]],\n"
                "\"strings\":[\"\",\"a\",\"src/a.c\",\"b\",\"api\",\"x\"]}");
    filter_deinit(&filter);
}

static void inlined_frames_are_marked(void **state)
{
    (void)state;
    struct flamegraph_tree tree;
    flamegraph_tree_init(&tree);
    struct profile *profile = example_cpu();
    uint32_t *nodes = mem_alloc_array(profile->sample_count, sizeof(*nodes));
    struct filter filter = filter_of(profile, &(struct filter_options){0});
    assert_int_equal(flamegraph_tree_add(&tree, &filter, nodes), 0);
    /* The third sample's leaf is crc32c in storage_log_append. */
    const struct flamegraph_node *leaf = &tree.nodes[nodes[2]], *caller = &tree.nodes[leaf->parent];
    assert_string_equal(flamegraph_tree_name(&tree, nodes[2]), "crc32c");
    assert_true(tree.frames[leaf->frame].inlined);
    assert_int_equal(tree.frames[leaf->frame].line, 44);
    assert_string_equal(flamegraph_tree_name(&tree, leaf->parent), "storage_log_append");
    assert_false(tree.frames[caller->frame].inlined);
    mem_free(nodes);
    filter_deinit(&filter);
    profile_destroy(profile);
    flamegraph_tree_deinit(&tree);
}

static void kinds_tell_whose_code_a_frame_is(void **state)
{
    (void)state;
    static const struct {
        const char *object, *name, *file;
        enum flamegraph_kind kind;
    } cases[] = {
        {"/usr/bin/takhin", "read", "src/a.c", FLAMEGRAPH_PROGRAM},
        {"/usr/bin/server", "runtime.mallocgc", "", FLAMEGRAPH_LIBC},
        {"/usr/bin/server", "syscall.Syscall6", "", FLAMEGRAPH_SYSTEM},
        {"/usr/lib/libuv.so.1", "uv_run", "", FLAMEGRAPH_LIBRARY},
        {"/usr/lib/libuv.so.1", "[libuv.so.1+0x1234]", "", FLAMEGRAPH_LIBRARY},
        {"/usr/lib/libcurl.so.4", "read", "", FLAMEGRAPH_LIBRARY},
        {"/lib/libc.so.6", "memcpy", "", FLAMEGRAPH_LIBC},
        {"/lib/libc.so.6", "__libc_pwrite64", "", FLAMEGRAPH_SYSTEM},
        {"/lib/libc.so.6", "start", "../sysdeps/unix/sysv/linux/x86_64/clone3.S", FLAMEGRAPH_SYSTEM},
        {"[vdso]", "clock_gettime", "", FLAMEGRAPH_SYSTEM},
        {"/lib64/ld-linux-x86-64.so.2", "_dl_start", "", FLAMEGRAPH_LIBC},
        {NULL, "[lost samples]", "", FLAMEGRAPH_SPECIAL},
        {NULL, "main", "", FLAMEGRAPH_PROGRAM},
        {NULL, "", "", FLAMEGRAPH_SPECIAL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct profile *profile = example_empty();
        struct profile_mapping mapping = {.file = profile_string(profile, cases[i].object ? cases[i].object : "")};
        uint32_t object = cases[i].object ? profile_add_mapping(profile, &mapping) : 0;
        struct profile_line line = {profile_add_function(profile, cases[i].name, cases[i].file, 0), 1};
        uint32_t node, location = profile_add_location(profile, object, 1, &line, 1);
        profile_add_sample(profile, &location, 1, (int64_t[]){1, 1}, NULL, 0);
        struct flamegraph_tree tree;
        flamegraph_tree_init(&tree);
        struct filter filter = filter_of(profile, &(struct filter_options){0});
        assert_int_equal(flamegraph_tree_add(&tree, &filter, &node), 0);
        filter_deinit(&filter);
        assert_int_equal(tree.frames[tree.nodes[node].frame].kind, cases[i].kind);
        flamegraph_tree_deinit(&tree);
        profile_destroy(profile);
    }
}

static void no_name_ends_the_data(void **state)
{
    (void)state;
    struct flamegraph_options options = {.title = "</script><script>"};
    struct profile *base = example_hostile();
    char *data = data_of(example_hostile(), base, &options);
    assert_null(strchr(data, '<'));
    for (const char *at = data; *at != '\0'; at++)
        assert_true((unsigned char)*at >= ' ' || *at == '\n');
    assert_non_null(strstr(data, "\"\\u003c/script>\\u003cscript>document.title='broken'\\u003c/script>\""));
    assert_non_null(strstr(data, "\"\\u0022quotes\\u005c\\u0022and\\u005cbackslashes\\u005c\""));
    assert_non_null(strstr(data, "\"?? not utf-8\""));
    assert_non_null(strstr(data, "\"new\\u000aline\\u0009tab\\u0001\""));
    mem_free(data);
}

static void dropped_frames_are_left_out(void **state)
{
    (void)state;
    struct profile *profile = example_changed();
    profile->drop_frames = profile_string(profile, "crc32c|storage.*");
    char *data = data_of(profile, NULL, NULL);
    assert_null(strstr(data, "\"crc32c\""));
    assert_non_null(strstr(data, "\"kafka_handler_produce\""));
    mem_free(data);
}

static void lines_that_no_file_has_are_unknown(void **state)
{
    (void)state;
    struct profile *profile = example_empty();
    uint32_t function = profile_add_function(profile, "f", "a.c", 0), ids[2];
    ids[0] = profile_add_location(profile, 0, 1, &(struct profile_line){function, -5}, 1);
    ids[1] = profile_add_location(profile, 0, 2, &(struct profile_line){function, INT64_MAX}, 1);
    profile_add_sample(profile, ids, 2, (int64_t[]){INT64_MIN, INT64_MAX}, NULL, 0);
    char *data = data_of(profile, NULL, NULL);
    assert_non_null(strstr(data, "\"frames\":[1,2,0,0],"));
    assert_non_null(strstr(data, "\"samples\":[2,0,-9223372036854775808,9223372036854775807]"));
    mem_free(data);
}

static void what_cannot_be_drawn_leaves_the_output_as_it_was(void **state)
{
    (void)state;
    struct profile *profile = example_cpu(), *heap = example_heap();
    struct buf out;
    buf_init(&out);
    assert_int_equal(profile_write_flamegraph(profile, heap, NULL, &out), ERR_NOT_FOUND);
    struct profile *base = example_cpu();
    base->drop_frames = profile_string(base, "mem(cpy");
    assert_int_equal(profile_write_flamegraph(profile, base, NULL, &out), ERR_MALFORMED);
    assert_int_equal(out.size, 0);
    buf_deinit(&out);
    profile_destroy(base);
    profile_destroy(heap);
    profile_destroy(profile);
}

static void page_states_its_policy(void **state)
{
    (void)state;
    struct profile *profile = example_empty();
    struct buf page;
    buf_init(&page);
    assert_int_equal(profile_write_flamegraph(profile, NULL, NULL, &page), 0);
    assert_non_null(strstr(buf_string(&page), flamegraph_content_security_policy));
    assert_non_null(strstr(flamegraph_content_security_policy, "default-src 'none'; "));
    assert_true(page.size < 300 * 1024);
    buf_deinit(&page);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_becomes_the_golden_data),
        cmocka_unit_test(base_shares_the_tree_and_its_types_are_found_by_name),
        cmocka_unit_test(inlined_frames_are_marked),
        cmocka_unit_test(kinds_tell_whose_code_a_frame_is),
        cmocka_unit_test(no_name_ends_the_data),
        cmocka_unit_test(dropped_frames_are_left_out),
        cmocka_unit_test(lines_that_no_file_has_are_unknown),
        cmocka_unit_test(what_cannot_be_drawn_leaves_the_output_as_it_was),
        cmocka_unit_test(page_states_its_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
