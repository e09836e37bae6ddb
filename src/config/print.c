/* print.c: the table as people read it: what is set, the documented file, the help. */
#include "config/keys.h"
#include "config/value.h"

/* Comments in the documented file are wrapped here. */
#define LINE_MAX_BYTES 110
/* Where -print-config puts the origin. */
#define ORIGIN_COLUMN 48
/* Where the documented file puts a key's variable and range. */
#define FACTS_COLUMN 36

static void pad(struct buf *text, size_t line_start, size_t column)
{
    do
        buf_append_byte(text, ' ');
    while (text->size - line_start < column);
}

void config_print(const struct config *config, struct buf *text)
{
    for (size_t i = 0; i < config_key_count; i++) {
        size_t line_start = text->size;
        buf_printf(text, "%s: ", config_keys[i].path);
        config_value_write(config, &config_keys[i], text);
        pad(text, line_start, ORIGIN_COLUMN);
        buf_printf(text, "# %s\n", config->origins[i].where);
    }
}

void config_write_help(struct buf *text)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        buf_printf(text, "  %s (%s)\n        %s\n", key->path, *key->default_text ? key->default_text : "\"\"",
                   key->meaning);
    }
}

/* "# " lines of the indent, broken between words. */
static void write_comment(struct buf *text, const char *indent, const char *sentence)
{
    size_t line_start = text->size;
    buf_printf(text, "%s#", indent);
    while (*sentence) {
        size_t word = strcspn(sentence, " ");
        if (text->size - line_start + 1 + word > LINE_MAX_BYTES) {
            buf_append_byte(text, '\n');
            line_start = text->size;
            buf_printf(text, "%s#", indent);
        }
        buf_append_byte(text, ' ');
        buf_append(text, sentence, word);
        sentence += word + (sentence[word] == ' ');
    }
    buf_append_byte(text, '\n');
}

static const char example_head[] =
    "# takhin.yaml: every key there is, at its default.\n"
    "#\n"
    "#   ./takhin -config configs/takhin.yaml\n"
    "#\n"
    "# A key can also be set by the variable that stands beside it, which goes before this file; a key\n"
    "# that is set nowhere has its default. -check-config finds every mistake in one go, -print-config\n"
    "# shows each value and where it came from. SIGHUP reads the file again, for the keys of profiler\n"
    "# and logging.\n"
    "#\n"
    "# Sizes: 64KiB, 1GiB, 10MB (decimal) or bytes. Durations: 500ms, 30s, 1h30m, 7d; the unit may also\n"
    "# stand in the key's name, log_retention_hours: 168 or log_flush_interval_ms: 1000. Nesting and\n"
    "# \"_\" are the same: data_dir: x may be written data: {dir: x}.\n";

static void write_example_key(struct buf *text, const struct config_key *key, const char *name)
{
    write_comment(text, "  ", key->meaning);
    size_t line_start = text->size;
    buf_printf(text, "  %s: ", name);
    if (key->type == CONFIG_TEXT)
        config_quote(text, key->default_text, SIZE_MAX);
    else
        buf_append_string(text, key->default_text);
    pad(text, line_start, FACTS_COLUMN);
    buf_append_string(text, "# ");
    config_write_variable(text, key->path);
    buf_append_string(text, ": ");
    config_value_expected(&(struct config_name){.key = key}, text);
    buf_append_byte(text, '\n');
}

void config_write_example(struct buf *text)
{
    buf_append_string(text, example_head);
    for (size_t s = 0; s < config_section_count; s++) {
        const char *section = config_sections[s].name;
        buf_append_byte(text, '\n');
        write_comment(text, "", config_sections[s].meaning);
        buf_printf(text, "%s:\n", section);
        for (size_t i = 0; i < config_key_count; i++)
            if (config_name_below(config_keys[i].path, section))
                write_example_key(text, &config_keys[i], config_keys[i].path + strlen(section) + 1);
    }
}
