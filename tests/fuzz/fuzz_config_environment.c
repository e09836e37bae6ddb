/* fuzz_config_environment.c: variables of any name and value, one a line, load or are refused with reasons. */
#include "config/config.h"

#define VARIABLES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_copy_bytes(bytes_of(data, size)), *rest = text;
    const char *environment[VARIABLES_MAX + 1] = {NULL};
    for (size_t i = 0; i < VARIABLES_MAX && rest; i++)
        environment[i] = strsep(&rest, "\n");

    struct config config;
    struct config_report report;
    int rc = config_load(&(struct config_sources){.environment = environment}, &config, &report);
    ASSERT((rc < 0) == (report.errors > 0));
    if (rc == 0) {
        struct buf printed;
        buf_init(&printed);
        config_print(&config, &printed);
        ASSERT(printed.size > 0);
        buf_deinit(&printed);
    }
    config_free(&config);
    config_report_free(&report);
    mem_free(text);
    return 0;
}
