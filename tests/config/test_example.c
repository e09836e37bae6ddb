/* test_example.c: configs/takhin.yaml is what the table writes. UPDATE=1 writes it anew. */
#include "config_test.h"

#include "config/keys.h"
#include "config/value.h"

static const char example[] = TAKHIN_SOURCE_DIR "/configs/takhin.yaml";

static void the_file_is_what_the_table_writes(void **state)
{
    (void)state;
    struct buf text, content;
    buf_init(&text);
    buf_init(&content);
    config_write_example(&text);
    if (getenv("UPDATE")) {
        FILE *file = fopen(example, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
        assert_int_equal(fclose(file), 0);
    }
    FILE *file = fopen(example, "r");
    assert_non_null(file);
    size_t room = text.size + 1; /* one more, to see a longer file */
    content.size = fread(buf_reserve(&content, room), 1, room, file);
    fclose(file);
    if (!bytes_equal(buf_bytes(&text), buf_bytes(&content)))
        fail_msg("configs/takhin.yaml is not what src/config/keys.c says: run this test with UPDATE=1");
    buf_deinit(&text);
    buf_deinit(&content);
}

static void every_key_is_in_the_file_at_its_default(void **state)
{
    (void)state;
    struct loaded defaults = load(NULL, NULL), from_file;
    from_file.rc = config_load(&(struct config_sources){.file = example}, &from_file.config, &from_file.report);
    assert_said(&from_file, "");
    for (size_t i = 0; i < config_key_count; i++) {
        assert_int_equal(from_file.config.origins[i].source, CONFIG_FILE);
        assert_true(config_value_equal(&defaults.config, &from_file.config, &config_keys[i]));
    }
    unload(&defaults);
    unload(&from_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_what_the_table_writes),
        cmocka_unit_test(every_key_is_in_the_file_at_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
