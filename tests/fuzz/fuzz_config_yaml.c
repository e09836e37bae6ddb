/* fuzz_config_yaml.c: any file loads or is refused with reasons, and what loads is printed as a file that loads to the
 * same values. */
#include "config/config.h"
#include "config/keys.h"
#include "config/value.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of these bytes, without a disk. */
static int load(const void *data, size_t size, struct config *config)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("takhin.yaml", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    ASSERT(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    struct config_report report;
    int rc = config_load(&(struct config_sources){.file = path}, config, &report);
    ASSERT((rc < 0) == (report.errors > 0));
    config_report_free(&report);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config, again;
    if (load(data, size, &config) == 0) {
        struct buf text;
        buf_init(&text);
        config_print(&config, &text);
        ASSERT(load(text.data, text.size, &again) == 0);
        for (size_t i = 0; i < config_key_count; i++)
            ASSERT(config_value_equal(&config, &again, &config_keys[i]));
        buf_deinit(&text);
        config_free(&again);
    }
    config_free(&config);
    return 0;
}
