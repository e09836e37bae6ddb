/* test_symbols.c: addresses get the names, files and lines that the source says, whatever the object has to tell. */
#include "profiler/symbols.h"

#include "base/mem.h"
#include "pprof/profile.h"
#include "profiler/modules.h"
#include "profiler/object.h"
#include "profiler/symbol_writer.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include <cmocka.h>

#define THIS_FILE "tests/profiler/test_symbols.c"
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* The address behind an instruction on this line. */
#define HERE(pc) __asm__ volatile("lea 0(%%rip), %0" : "=r"(pc))

static volatile unsigned side_effect;

/* Three functions in one: `outer` holds the code of `middle`, which holds that of `innermost`. */
enum { INNERMOST_START = __LINE__ + 1 };
static ALWAYS_INLINE uintptr_t innermost(void)
{
    uintptr_t pc;
    enum { LINE = __LINE__ + 1 };
    HERE(pc);
    side_effect += LINE;
    return pc;
}
enum { INNERMOST_LINE = INNERMOST_START + 4 };

static ALWAYS_INLINE uintptr_t middle(void)
{
    side_effect++;
    return innermost();
}
enum { MIDDLE_LINE = __LINE__ - 2, MIDDLE_START = __LINE__ - 5 };

static NOINLINE uintptr_t outer(void)
{
    side_effect++;
    uintptr_t pc = middle();
    side_effect++;
    return pc;
}
enum { OUTER_LINE = __LINE__ - 4, OUTER_START = __LINE__ - 7 };

static struct symbols *symbols;

static int create(void **state)
{
    (void)state;
    symbols = symbols_create();
    symbols_acquire(symbols);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    symbols_release(symbols);
    symbols_destroy(symbols);
    return 0;
}

static void inlined_functions_have_names_files_and_lines(void **state)
{
    (void)state;
    static const struct {
        const char *function;
        unsigned line, start_line;
    } expected[] = {
        {"innermost", INNERMOST_LINE, INNERMOST_START},
        {"middle", MIDDLE_LINE, MIDDLE_START},
        {"outer", OUTER_LINE, OUTER_START},
    };
    struct symbol_frame frames[8];

    unsigned count = symbols_resolve(symbols, outer(), true, frames, ARRAY_COUNT(frames));

    assert_int_equal(count, ARRAY_COUNT(expected));
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(frames[i].function, expected[i].function);
        assert_string_equal(frames[i].file, THIS_FILE);
        assert_int_equal(frames[i].line, expected[i].line);
        assert_int_equal(frames[i].start_line, expected[i].start_line);
    }
}

static void a_chain_that_does_not_fit_keeps_its_inner_end(void **state)
{
    (void)state;
    struct symbol_frame frames[2] = {{.function = "untouched"}, {.function = "untouched"}};
    assert_int_equal(symbols_resolve(symbols, outer(), true, frames, 0), 0);
    assert_int_equal(symbols_resolve(symbols, outer(), true, frames, 1), 1);
    assert_string_equal(frames[0].function, "innermost");
    assert_string_equal(frames[1].function, "untouched");
}

static void a_function_is_known_at_its_first_byte(void **state)
{
    (void)state;
    struct symbol_frame frame;
    assert_int_equal(symbols_resolve(symbols, (uintptr_t)outer, false, &frame, 1), 1);
    assert_string_equal(frame.function, "outer");
    assert_in_range(frame.line, OUTER_START, OUTER_LINE);
}

static void functions_of_libraries_have_their_exported_names(void **state)
{
    (void)state;
    static const char *const names[] = {"qsort", "getenv", "snprintf", "getpid"};
    void *libc = dlopen("libc.so.6", RTLD_NOW); /* not the sanitizers' own versions */
    assert_non_null(libc);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        uintptr_t address = (uintptr_t)dlsym(libc, names[i]);
        assert_int_not_equal(address, 0);
        struct symbol_frame frames[SYMBOL_INLINE_MAX];
        unsigned count = symbols_resolve(symbols, address + 2, false, frames, SYMBOL_INLINE_MAX);
        assert_true(count > 0);
        /* Whether libc's debug file is installed or not: its source says __snprintf. */
        assert_string_equal(frames[count - 1].function, names[i]);
    }
    dlclose(libc);
}

static bool knows_in_module(const char *path, const char *function)
{
    struct module_list *list = module_list_create();
    bool found = false;
    for (unsigned i = 0; i < list->count; i++) {
        const struct module *module = &list->modules[i];
        struct symbol_frame frame;
        if (strcmp(module->path, path) == 0)
            for (uintptr_t address = module->text_start; address < module->text_end && !found; address += 4)
                found = symbols_resolve(symbols, address, false, &frame, 1) > 0 && strstr(frame.function, function);
    }
    module_list_destroy(list);
    return found;
}

static void the_vdso_is_read_from_memory(void **state)
{
    (void)state;
    if (!getauxval(AT_SYSINFO_EHDR))
        skip();
    assert_true(knows_in_module("[vdso]", "clock_gettime"));
}

static void nameless_code_is_named_by_object_and_function_start(void **state)
{
    (void)state;
    Dl_info info;
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    assert_true(dladdr(dlsym(libc, "qsort"), &info) != 0);
    struct module_list *list = module_list_create();
    const struct module *module = module_find(list, (uintptr_t)info.dli_saddr);
    struct symbol_frame first, second;
    uintptr_t plt = module->text_start + 32; /* its linkage table: code that no symbol covers */

    assert_int_equal(symbols_resolve(symbols, plt, false, &first, 1), 1);
    assert_int_equal(symbols_resolve(symbols, plt + 16, false, &second, 1), 1);

    assert_memory_equal(first.function, "[libc.so.6+0x", strlen("[libc.so.6+0x"));
    assert_ptr_equal(first.function, second.function);
    assert_int_equal(first.line, 0);
    module_list_destroy(list);
    dlclose(libc);
}

static void unmapped_addresses_have_no_frames(void **state)
{
    (void)state;
    struct symbol_frame frame;
    assert_int_equal(symbols_resolve(symbols, 0, false, &frame, 1), 0);
    assert_int_equal(symbols_resolve(symbols, 0, true, &frame, 1), 0); /* one byte before 0 */
    assert_int_equal(symbols_resolve(symbols, 16, false, &frame, 1), 0);
    assert_int_equal(symbols_resolve(symbols, (uintptr_t)&frame, false, &frame, 1), 0);
}

/* The innermost function of a location. */
static const char *name_of(const struct profile *profile, uint32_t location)
{
    const struct profile_line *line = &profile->lines[profile->locations[location - 1].line_start];
    return profile_text(profile, profile->functions[line->function - 1].name);
}

static void an_unloaded_object_keeps_its_names_under_its_epoch(void **state)
{
    (void)state;
    uint32_t before = symbols_epoch(symbols);
    void *library = dlopen("libuv.so.1", RTLD_NOW);
    assert_non_null(library);
    uintptr_t address = (uintptr_t)dlsym(library, "uv_run");
    uint32_t loaded = symbols_epoch(symbols);
    dlclose(library);
    uint32_t after = symbols_epoch(symbols);
    assert_true(before < loaded && loaded < after);
    assert_int_equal(symbols_epoch(symbols), after);

    struct profile *profile = profile_create();
    struct symbol_writer *writer = symbol_writer_create(symbols, profile);
    uint32_t then, just_after, just_before;
    symbol_writer_stack(writer, loaded, &address, 1, false, &then);
    symbol_writer_stack(writer, after, &address, 1, false, &just_after);
    symbol_writer_stack(writer, before, &address, 1, false, &just_before);
    struct symbol_frame frame;

    assert_string_equal(name_of(profile, then), "uv_run");
    assert_int_equal(just_after, then);
    assert_int_equal(just_before, then);
    assert_int_equal(symbols_resolve(symbols, address, false, &frame, 1), 0);
    assert_int_equal(profile->mapping_count, 2);
    symbol_writer_destroy(writer);
    profile_destroy(profile);
}

static void loading_the_same_object_again_does_not_add_up(void **state)
{
    (void)state;
    uint32_t first_mapping_count = 0;
    struct profile *profile = profile_create();
    struct symbol_writer *writer = symbol_writer_create(symbols, profile);
    for (int i = 0; i < 5; i++) {
        void *library = dlopen("libuv.so.1", RTLD_NOW);
        uintptr_t address = (uintptr_t)dlsym(library, "uv_run");
        uint32_t location;
        symbol_writer_stack(writer, symbols_epoch(symbols), &address, 1, false, &location);
        assert_string_equal(name_of(profile, location), "uv_run");
        dlclose(library);
        symbols_epoch(symbols);
        if (i == 0)
            first_mapping_count = profile->mapping_count;
    }
    /* The loader puts it where it was; should it not, there is one mapping more a place, never one a load. */
    assert_true(profile->mapping_count - first_mapping_count < 4);
    symbol_writer_destroy(writer);
    profile_destroy(profile);
}

static void a_profile_names_the_program_first_and_every_location(void **state)
{
    (void)state;
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(length > 0);
    program[length] = '\0';
    uintptr_t pcs[] = {(uintptr_t)dlsym(RTLD_DEFAULT, "strtoul") + 8, outer(), 12345, outer()};
    uint32_t locations[ARRAY_COUNT(pcs)];
    struct profile *profile = profile_create();

    struct symbol_writer *writer = symbol_writer_create(symbols, profile);
    symbol_writer_stack(writer, symbols_epoch(symbols), pcs, ARRAY_COUNT(pcs), false, locations);
    uint32_t made_up = symbol_writer_named(writer, "[lost samples]");
    symbol_writer_destroy(writer);

    const struct profile_mapping *main_mapping = &profile->mappings[0];
    assert_string_equal(profile_text(profile, main_mapping->file), program);
    assert_true(strlen(profile_text(profile, main_mapping->build_id)) >= 16);
    assert_true(main_mapping->has_functions && main_mapping->has_filenames && main_mapping->has_line_numbers &&
                main_mapping->has_inline_frames);
    for (uint32_t i = 0; i < profile->mapping_count; i++) {
        const struct profile_mapping *mapping = &profile->mappings[i];
        assert_int_equal(mapping->start % 4096, 0);
        assert_int_equal(mapping->limit % 4096, 0);
        assert_int_equal(mapping->file_offset % 4096, 0);
        assert_true(mapping->has_functions);
    }
    for (uint32_t i = 0; i < profile->location_count; i++)
        assert_true(profile->locations[i].line_count > 0);
    const struct profile_location *leaf = &profile->locations[locations[0] - 1];
    const struct profile_location *caller = &profile->locations[locations[1] - 1];
    assert_int_equal(leaf->address, pcs[0]);
    assert_int_equal(caller->address, pcs[1] - 1);
    assert_int_equal(caller->line_count, 3);
    assert_int_equal(caller->mapping, 1);
    assert_string_equal(name_of(profile, locations[1]), "innermost");
    assert_int_equal(locations[3], locations[1]);
    assert_string_equal(name_of(profile, locations[2]), "[unknown]");
    assert_int_equal(profile->locations[locations[2] - 1].mapping, 0);
    assert_string_equal(name_of(profile, made_up), "[lost samples]");
    profile_destroy(profile);
}

static unsigned count_open_files(void)
{
    DIR *files = opendir("/proc/self/fd");
    unsigned count = 0;
    while (readdir(files))
        count++;
    closedir(files);
    return count;
}

static void no_file_stays_open_once_the_last_profile_is_written(void **state)
{
    (void)state;
    struct symbols *own = symbols_create();
    struct profile *profile = profile_create();
    uintptr_t pcs[] = {(uintptr_t)dlsym(RTLD_DEFAULT, "strtoul") + 8, outer()};
    uint32_t first[ARRAY_COUNT(pcs)], again[ARRAY_COUNT(pcs)];
    unsigned before = count_open_files();

    struct symbol_writer *writer = symbol_writer_create(own, profile);
    symbol_writer_stack(writer, symbols_epoch(own), pcs, ARRAY_COUNT(pcs), false, first);
    assert_true(count_open_files() > before);
    struct symbol_writer *second = symbol_writer_create(own, profile);
    symbol_writer_destroy(writer);
    symbol_writer_stack(second, symbols_epoch(own), pcs, ARRAY_COUNT(pcs), false, again);
    symbol_writer_destroy(second);

    assert_int_equal(count_open_files(), before);
    assert_memory_equal(first, again, sizeof first); /* the same locations of the one profile */
    writer = symbol_writer_create(own, profile);
    symbol_writer_stack(writer, symbols_epoch(own), pcs, ARRAY_COUNT(pcs), false, again);
    symbol_writer_destroy(writer);
    assert_memory_equal(first, again, sizeof first);
    profile_destroy(profile);
    symbols_destroy(own);
}

static void a_second_look_opens_no_file(void **state)
{
    (void)state;
    struct symbols *own = symbols_create();
    struct profile *first = profile_create(), *second = profile_create();
    uintptr_t pcs[] = {(uintptr_t)dlsym(RTLD_DEFAULT, "strtoul") + 8, outer()};
    uint32_t locations[ARRAY_COUNT(pcs)];
    uint32_t epoch = symbols_epoch(own);

    struct symbol_writer *writer = symbol_writer_create(own, first);
    symbol_writer_stack(writer, epoch, pcs, ARRAY_COUNT(pcs), false, locations);
    symbol_writer_destroy(writer);
    struct symbols_stats once = symbols_stats(own);
    assert_true(once.file_count >= 2); /* the program and libc */
    assert_int_equal(once.place_count, 2);
    assert_in_range(once.held_bytes, 1, 65536);

    writer = symbol_writer_create(own, second);
    symbol_writer_stack(writer, epoch, pcs, ARRAY_COUNT(pcs), false, locations);
    assert_string_equal(name_of(second, locations[1]), "innermost");
    assert_int_equal(second->locations[locations[1] - 1].line_count, 3);
    assert_true(second->mappings[0].has_line_numbers);
    symbol_writer_destroy(writer);
    assert_int_equal(symbols_stats(own).file_count, once.file_count);

    uintptr_t another = pcs[0] + 1; /* a place that nobody looked at is read in its file */
    symbols_acquire(own);
    assert_non_null(symbols_place(own, epoch, another));
    symbols_release(own);
    assert_int_equal(symbols_stats(own).file_count, once.file_count + 1);
    profile_destroy(first);
    profile_destroy(second);
    symbols_destroy(own);
}

static void what_was_looked_up_outlives_its_object(void **state)
{
    (void)state;
    struct symbols *own = symbols_create();
    void *library = dlopen("libuv.so.1", RTLD_NOW);
    assert_non_null(library);
    uintptr_t address = (uintptr_t)dlsym(library, "uv_run");
    uint32_t loaded = symbols_epoch(own);
    symbols_acquire(own);
    assert_non_null(symbols_place(own, loaded, address));
    symbols_release(own);
    uint64_t file_count = symbols_stats(own).file_count;
    dlclose(library);

    symbols_acquire(own);
    symbols_epoch(own);
    const struct symbol_place *place = symbols_place(own, loaded, address);
    assert_string_equal(place->frames[0].function, "uv_run");
    assert_int_equal(place->entry, address);
    assert_non_null(strstr(place->object->path, "libuv.so.1"));
    symbols_release(own);
    assert_int_equal(symbols_stats(own).file_count, file_count);
    symbols_destroy(own);
}

static void no_more_places_are_kept_than_there_is_room_for(void **state)
{
    (void)state;
    struct symbols *own = symbols_create();
    uint32_t epoch = symbols_epoch(own);
    uintptr_t start = (uintptr_t)dlsym(RTLD_DEFAULT, "strtoul");
    symbols_acquire(own);
    const struct symbol_place *first = symbols_place(own, epoch, start);
    for (uintptr_t i = 1; i < SYMBOL_PLACES_KEPT; i++)
        assert_non_null(symbols_place(own, epoch, start + i));
    symbols_acquire(own);
    symbols_release(own);
    assert_int_equal(symbols_stats(own).place_count, SYMBOL_PLACES_KEPT);
    symbols_release(own);
    struct symbols_stats kept = symbols_stats(own);
    assert_int_equal(kept.place_count, SYMBOL_PLACES_KEPT); /* just as many as are kept */
    assert_true(kept.held_bytes < (size_t)2 << 20); /* a broker at rest has 10 MiB in all */

    symbols_acquire(own);
    assert_ptr_equal(symbols_place(own, epoch, start), first);
    assert_non_null(symbols_place(own, epoch, start + SYMBOL_PLACES_KEPT));
    assert_string_equal(first->frames[0].function, "strtoul"); /* valid while somebody holds it */
    symbols_release(own);
    assert_int_equal(symbols_stats(own).place_count, 0);
    symbols_destroy(own);
}

static void a_place_knows_where_its_function_begins(void **state)
{
    (void)state;
    uintptr_t function = (uintptr_t)outer, library = (uintptr_t)dlsym(RTLD_DEFAULT, "strtoul");
    uint32_t epoch = symbols_epoch(symbols);
    symbols_acquire(symbols);
    assert_int_equal(symbols_place(symbols, epoch, function)->entry, function);
    assert_int_equal(symbols_place(symbols, epoch, function + 4)->entry, function);
    assert_int_equal(symbols_place(symbols, epoch, library + 2)->entry, library);
    assert_null(symbols_place(symbols, epoch, 4242));
    symbols_release(symbols);
}

static void a_parked_tasks_first_pc_is_a_return_address_too(void **state)
{
    (void)state;
    uintptr_t pc = outer();
    uint32_t location;
    struct profile *profile = profile_create();
    struct symbol_writer *writer = symbol_writer_create(symbols, profile);
    symbol_writer_stack(writer, symbols_epoch(symbols), &pc, 1, true, &location);
    assert_int_equal(profile->locations[location - 1].address, pc - 1);
    symbol_writer_destroy(writer);
    profile_destroy(profile);
}

static void *resolve_everything(void *argument)
{
    (void)argument;
    struct module_list *list = module_list_create();
    for (unsigned i = 0; i < list->count; i++) {
        const struct module *module = &list->modules[i];
        uintptr_t step = (module->text_end - module->text_start) / 50 + 1;
        struct symbol_frame frames[SYMBOL_INLINE_MAX];
        for (uintptr_t address = module->text_start; address < module->text_end; address += step)
            if (symbols_resolve(symbols, address, false, frames, SYMBOL_INLINE_MAX) == 0)
                abort();
    }
    module_list_destroy(list);
    return NULL;
}

static void threads_may_ask_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve_everything, NULL), 0);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void a_file_that_is_missing_or_another_has_no_names(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nowhere/at/all", "/", "/proc/self/maps", "/dev/null", "/proc/self/exe"};
    struct dwarf_frame frame;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct object *object = object_open(paths[i], "00112233445566778899"); /* nobody's build id */
        assert_int_equal(object_find(object, 0x1000, &frame, 1), 0);
        assert_int_equal(object_function_start(object, 0x1000), 0x1000);
        assert_false(object_has_lines(object));
        object_close(object);
    }
}

static void ask_for_many(struct object *object)
{
    struct dwarf_frame frames[SYMBOL_INLINE_MAX];
    for (uint64_t address = 0; address < 0x8000; address += 97)
        object_find(object, address, frames, SYMBOL_INLINE_MAX);
}

static void an_image_may_end_anywhere(void **state)
{
    (void)state;
    const uint8_t *vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
    if (!vdso)
        skip();
    for (size_t size = 0; size <= 4096; size += 13) {
        uint8_t *copy = malloc(size ? size : 1); /* of its own, so that a sanitizer sees what is read beyond */
        memcpy(copy, vdso, size);
        struct object *object = object_open_memory(copy, size);
        ask_for_many(object);
        object_close(object);
        free(copy);
    }
}

static void a_file_may_end_anywhere(void **state)
{
    (void)state;
    char path[] = "/tmp/takhin-object-XXXXXX";
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = mkstemp(path);
    assert_true(from >= 0 && to >= 0);
    off_t size = lseek(from, 0, SEEK_END);
    uint8_t *content = malloc((size_t)size);
    assert_int_equal(pread(from, content, (size_t)size, 0), size);
    struct module_list *list = module_list_create();
    const char *build_id = "";
    for (unsigned i = 0; i < list->count; i++)
        build_id = list->modules[i].is_program ? list->modules[i].build_id : build_id;
    for (int cut = 0; cut < 24; cut++) {
        assert_int_equal(ftruncate(to, 0), 0);
        assert_int_equal(pwrite(to, content, (size_t)(size * (cut + 1) / 24), 0), size * (cut + 1) / 24);
        struct object *object = object_open(path, build_id);
        ask_for_many(object);
        assert_true(cut < 23 || object_has_lines(object));
        object_close(object);
    }
    module_list_destroy(list);
    free(content);
    close(from);
    close(to);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inlined_functions_have_names_files_and_lines),
        cmocka_unit_test(a_chain_that_does_not_fit_keeps_its_inner_end),
        cmocka_unit_test(a_function_is_known_at_its_first_byte),
        cmocka_unit_test(functions_of_libraries_have_their_exported_names),
        cmocka_unit_test(the_vdso_is_read_from_memory),
        cmocka_unit_test(nameless_code_is_named_by_object_and_function_start),
        cmocka_unit_test(unmapped_addresses_have_no_frames),
        cmocka_unit_test(an_unloaded_object_keeps_its_names_under_its_epoch),
        cmocka_unit_test(loading_the_same_object_again_does_not_add_up),
        cmocka_unit_test(a_profile_names_the_program_first_and_every_location),
        cmocka_unit_test(no_file_stays_open_once_the_last_profile_is_written),
        cmocka_unit_test(a_second_look_opens_no_file),
        cmocka_unit_test(what_was_looked_up_outlives_its_object),
        cmocka_unit_test(no_more_places_are_kept_than_there_is_room_for),
        cmocka_unit_test(a_place_knows_where_its_function_begins),
        cmocka_unit_test(a_parked_tasks_first_pc_is_a_return_address_too),
        cmocka_unit_test(threads_may_ask_at_once),
        cmocka_unit_test(a_file_that_is_missing_or_another_has_no_names),
        cmocka_unit_test(an_image_may_end_anywhere),
        cmocka_unit_test(a_file_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
