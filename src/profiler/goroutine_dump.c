/* goroutine_dump.c: writes the dump, each record one paragraph. */
#include "profiler/goroutine_dump.h"

#include "base/clock.h"
#include "profiler/tasks.h"
#include "profiler/text.h"

#include <inttypes.h>
#include <stdio.h>

#define NS_PER_MINUTE (60 * NS_PER_S)

/* What a client calls itself must not look like the end of the brackets, or of the line. */
static void write_value(struct buf *text, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        buf_append_byte(text, c < ' ' || c == 0x7f || c == '[' || c == ']' || c == ',' ? '_' : c);
    }
}

static void write_field(struct buf *text, const char *key, const char *value)
{
    if (!value || value[0] == '\0')
        return;
    buf_printf(text, ", %s=", key);
    write_value(text, value);
}

static void write_header(struct buf *text, const struct task_record *record, const char *remark)
{
    const struct stack_key *key = &record->key;
    uint64_t number = record->id ? record->id : GOROUTINE_DUMP_FIRST_THREAD + (uint64_t)record->thread_id;
    buf_printf(text, "goroutine %" PRIu64 " [", number);
    write_value(text, key->labels[LABEL_REASON]);
    buf_append_string(text, remark);
    if (record->state_ns >= NS_PER_MINUTE)
        buf_printf(text, ", %llu minutes", record->state_ns / NS_PER_MINUTE);
    if (record->id)
        write_field(text, "task", record->name);
    write_field(text, "thread", record->id ? key->labels[LABEL_THREAD] : record->name);
    for (int i = 0; i < LABEL_TASK_COUNT; i++)
        write_field(text, label_key_name((enum label_key)i), key->labels[i]);
    buf_append_string(text, "]:\n");
}

static void write_creator(struct buf *text, struct text_writer *writer, const struct task_record *record)
{
    char suffix[48] = "";
    if (record->creator_id)
        snprintf(suffix, sizeof suffix, " in goroutine %" PRIu64, record->creator_id);
    if (record->creator_pc)
        text_write_creator(writer, record->creator_pc, suffix);
    buf_append_byte(text, '\n');
}

void goroutine_dump_write(struct collection *collection, const struct task_dump *dump, const char *remark,
                          struct buf *text)
{
    struct text_writer *writer = text_writer_create(collection, text);
    size_t i = 0;
    for (; i < dump->count && text->size < GOROUTINE_DUMP_BYTES_MAX; i++) {
        write_header(text, &dump->records[i], remark);
        text_write_traceback(writer, &dump->records[i].key);
        write_creator(text, writer, &dump->records[i]);
    }
    text_writer_destroy(writer);
    if (i < dump->count)
        buf_printf(text, "... the dump ends here, at %zu MiB; %zu more are not shown\n",
                   GOROUTINE_DUMP_BYTES_MAX >> 20, dump->count - i);
}
