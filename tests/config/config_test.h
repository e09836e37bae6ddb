/* config_test.h: loads texts as the program loads files, and compares what was said of them. */
#ifndef TESTS_CONFIG_CONFIG_TEST_H
#define TESTS_CONFIG_CONFIG_TEST_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* Where test_folder_make put this program; messages then name the file without a folder. */
#define TEST_FILE "takhin.yaml"

static char test_folder[] = "/tmp/takhin-config-XXXXXX";

static inline int test_folder_make(void **state)
{
    (void)state;
    return mkdtemp(test_folder) && chdir(test_folder) == 0 ? 0 : -1;
}

static inline int test_folder_remove(void **state)
{
    (void)state;
    unlink(TEST_FILE);
    return chdir("/") == 0 && rmdir(test_folder) == 0 ? 0 : -1;
}

static inline void write_test_file(const void *content, size_t size)
{
    FILE *file = fopen(TEST_FILE, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

struct loaded {
    int rc;
    struct config config;
    struct config_report report;
};

/* NULL yaml: no file is named. NULL environment: none. */
static inline struct loaded load(const char *yaml, const char *const *environment)
{
    struct loaded loaded;
    if (yaml)
        write_test_file(yaml, strlen(yaml));
    struct config_sources sources = {.file = yaml ? TEST_FILE : NULL, .environment = environment};
    loaded.rc = config_load(&sources, &loaded.config, &loaded.report);
    return loaded;
}

static inline void unload(struct loaded *loaded)
{
    config_free(&loaded->config);
    config_report_free(&loaded->report);
}

/* Every message in its order, each a line: "error: ..." or "warning: ...". */
static inline void assert_said(const struct loaded *loaded, const char *expected)
{
    struct buf said;
    buf_init(&said);
    int errors = 0, warnings = 0;
    for (const struct config_message *message = loaded->report.first; message; message = message->next) {
        buf_printf(&said, "%s: %s\n", message->is_error ? "error" : "warning", message->text);
        *(message->is_error ? &errors : &warnings) += 1;
    }
    assert_string_equal(buf_string(&said), expected);
    assert_int_equal(loaded->report.errors, errors);
    assert_int_equal(loaded->report.warnings, warnings);
    assert_int_equal(loaded->rc, errors ? ERR_CONFIG : 0);
    buf_deinit(&said);
}

#endif
