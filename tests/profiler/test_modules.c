/* test_modules.c: the picture of what is mapped agrees with the loader and the kernel. */
#include "profiler/modules.h"

#include "base/check.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include <cmocka.h>

static uintptr_t address_of_function(void (*function)(void))
{
    return (uintptr_t)function;
}

/* The line of /proc/self/maps that holds the address: its bounds and file offset. */
static bool kernel_mapping(uintptr_t address, uintptr_t *start, uintptr_t *end, uint64_t *offset, char *permissions)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128];
    bool found = false;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64, start, end, permissions, offset) == 4)
            found = address >= *start && address < *end;
    }
    if (maps)
        fclose(maps);
    return found;
}

static void list_is_sorted_and_disjoint(void **state)
{
    (void)state;
    struct module_list *list = module_list_create();
    assert_true(list->count >= 3);
    for (unsigned i = 0; i < list->count; i++) {
        assert_true(list->modules[i].text_start < list->modules[i].text_end);
        assert_int_equal(list->modules[i].text_start % 4096, 0);
        if (i > 0)
            assert_true(list->modules[i - 1].text_end <= list->modules[i].text_start);
    }
    module_list_destroy(list);
}

static void program_is_found_with_its_resolved_path(void **state)
{
    (void)state;
    struct module_list *list = module_list_create();
    const struct module *module = module_find(list, address_of_function((void (*)(void))kernel_mapping));
    assert_non_null(module);
    assert_true(module->is_program && module->is_own);
    char path[PATH_MAX] = "";
    assert_non_null(realpath("/proc/self/exe", path));
    assert_string_equal(module->path, path);
    assert_non_null(module->eh_frame);
    assert_true(module->eh_frame_size > 0 && module->eh_frame_hdr != 0);
    module_list_destroy(list);
}

static void libraries_agree_with_the_kernel(void **state)
{
    (void)state;
    struct module_list *list = module_list_create();
    uintptr_t address = address_of_function((void (*)(void))dlsym(RTLD_DEFAULT, "qsort"));
    const struct module *module = module_find(list, address);
    assert_non_null(module);
    uintptr_t start, end;
    uint64_t offset;
    char permissions[5];
    assert_true(kernel_mapping(address, &start, &end, &offset, permissions));
    assert_int_equal(module->text_start, start);
    assert_int_equal(module->text_end, end);
    assert_int_equal(module->text_file_offset, offset);
    assert_int_equal(permissions[2], 'x');
    assert_false(module->is_program || module->is_own);
    assert_int_equal(module->path[0], '/');
    assert_true(strlen(module->build_id) >= 16);
    assert_int_equal(strspn(module->build_id, "0123456789abcdef"), strlen(module->build_id));
    module_list_destroy(list);
}

static void vdso_is_listed_by_its_name(void **state)
{
    (void)state;
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (!vdso)
        skip();
    struct module_list *list = module_list_create();
    const struct module *module = module_find(list, vdso);
    assert_non_null(module);
    assert_string_equal(module->path, "[vdso]");
    assert_non_null(module->eh_frame);
    module_list_destroy(list);
}

static void addresses_outside_are_in_no_module(void **state)
{
    (void)state;
    struct module_list *list = module_list_create();
    int on_stack = 0;
    assert_null(module_find(list, 0));
    assert_null(module_find(list, UINTPTR_MAX));
    assert_null(module_find(list, (uintptr_t)&on_stack));
    for (unsigned i = 0; i < list->count; i++) {
        assert_ptr_equal(module_find(list, list->modules[i].text_start), &list->modules[i]);
        assert_ptr_equal(module_find(list, list->modules[i].text_end - 1), &list->modules[i]);
        assert_ptr_not_equal(module_find(list, list->modules[i].text_end), &list->modules[i]);
    }
    struct module_list empty = {0};
    assert_null(module_find(&empty, 1));
    module_list_destroy(list);
}

static void generation_moves_with_dlopen_and_dlclose(void **state)
{
    (void)state;
    struct module_list *before = module_list_create();
    assert_int_equal(module_generation(), before->generation);
    void *library = dlopen("libyaml-0.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        skip();
    uintptr_t address = (uintptr_t)dlsym(library, "yaml_parser_parse");
    assert_null(module_find(before, address));
    struct module_list *with = module_list_create();
    assert_true(with->generation != before->generation);
    const struct module *module = module_find(with, address);
    assert_non_null(module);
    assert_non_null(strstr(module->path, "libyaml"));
    assert_int_equal(dlclose(library), 0);
    assert_true(module_generation() != with->generation);
    module_list_destroy(before);
    module_list_destroy(with);
    module_list_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_sorted_and_disjoint),
        cmocka_unit_test(program_is_found_with_its_resolved_path),
        cmocka_unit_test(libraries_agree_with_the_kernel),
        cmocka_unit_test(vdso_is_listed_by_its_name),
        cmocka_unit_test(addresses_outside_are_in_no_module),
        cmocka_unit_test(generation_moves_with_dlopen_and_dlclose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
