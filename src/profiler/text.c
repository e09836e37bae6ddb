/* text.c: the line of each frame is made once and kept, as a dump may hold a hundred thousand stacks of the same few
 * functions. */
#include "profiler/text.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "profiler/collection.h"
#include "profiler/profiler.h"
#include "profiler/symbols.h"
#include "profiler/wait_frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

/* Of Go's tabwriter, as runtime/pprof sets it up. */
#define TAB_WIDTH 8
#define PADDING 1

/* Where no file is known: of Go's forms ("?" is another) the one that parsers of its dumps take. */
#define UNKNOWN_FILE "??"
#define UNKNOWN_FUNCTION "[unknown]"

/* One line: "#\t<address>\t<name>\t<source>\n", where a place without a name is "#\t<address>\n". The two cells that
 * are padded have their width in characters beside them. */
struct line {
    const char *address, *name, *source;
    size_t address_size, name_size, source_size;
    size_t name_width;
};

/* What a pc of a stack looks like. */
struct pc_key {
    uintptr_t pc;
    uint32_t epoch;
    uint32_t is_return_address;
};
struct pc_text {
    struct pc_key key;
    UT_hash_handle hh;
    const struct symbol_place *place; /* NULL: unknown */
    struct line *lines;
    uint32_t line_count; /* more than 1: inlined functions, innermost first */
    struct bytes traceback;
    size_t wait_size; /* of the part of it at the beginning that is the runtime's way of waiting */
};

struct text_writer {
    struct collection *collection;
    struct symbols *symbols;
    uint32_t epoch; /* when the writer was made */
    struct buf *text;
    struct pc_text *pcs;
    struct line *lines; /* of the stack that is being written */
    size_t line_count, line_capacity;
    struct arena arena;
};

struct text_writer *text_writer_create(struct collection *collection, struct buf *text)
{
    struct text_writer *writer = MEM_NEW(struct text_writer);
    writer->collection = collection;
    writer->symbols = profiler_symbols(collection->profiler);
    writer->epoch = symbols_epoch(writer->symbols);
    writer->text = text;
    arena_init(&writer->arena);
    symbols_acquire(writer->symbols);
    return writer;
}

void text_writer_destroy(struct text_writer *writer)
{
    if (!writer)
        return;
    HASH_CLEAR(hh, writer->pcs);
    symbols_release(writer->symbols);
    arena_deinit(&writer->arena);
    mem_free(writer->lines);
    mem_free(writer);
}

static size_t character_count(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += (*text & 0xc0) != 0x80; /* not a continuation of UTF-8 */
    return count;
}

static struct line make_line(const char *address, const char *name, const char *source)
{
    return (struct line){
        .address = address, .address_size = strlen(address),
        .name = name, .name_size = name ? strlen(name) : 0, .name_width = name ? character_count(name) : 0,
        .source = source, .source_size = source ? strlen(source) : 0,
    };
}

/* Inlined functions are at the same place, and their offset counts from the function that they were inlined into: as
 * Go's, whose Frame.Entry "always refers to a real frame". */
static void make_lines(struct text_writer *writer, struct pc_text *text, uintptr_t address)
{
    const struct symbol_place *place = text->place;
    struct arena *arena = &writer->arena;
    char *shown = arena_printf(arena, "0x%lx", (unsigned long)address);
    text->line_count = place ? place->frame_count : 1;
    text->lines = arena_alloc_array(arena, text->line_count, sizeof *text->lines);
    if (!place) {
        text->lines[0] = make_line(shown, NULL, NULL);
        return;
    }
    for (uint32_t i = 0; i < place->frame_count; i++) {
        const struct symbol_frame *frame = &place->frames[i];
        const char *file = frame->file[0] ? frame->file : UNKNOWN_FILE;
        char *name = arena_printf(arena, "%s+0x%lx", frame->function, (unsigned long)(address - place->entry));
        char *source = arena_printf(arena, "%s:%u", file, frame->line);
        text->lines[i] = make_line(shown, name, source);
    }
}

/* As Go's runtime writes a frame, which has no offset where it is inlined, but for arguments: C tells none. */
static void make_traceback(struct text_writer *writer, struct pc_text *text)
{
    const struct symbol_place *place = text->place;
    uintptr_t pc = text->key.pc;
    bool is_wait = true;
    struct buf made;
    buf_init(&made);
    if (!place)
        buf_printf(&made, UNKNOWN_FUNCTION "(...)\n\t" UNKNOWN_FILE ":0 +0x%lx\n", (unsigned long)pc);
    for (uint32_t i = 0; place && i < place->frame_count; i++) {
        const struct symbol_frame *frame = &place->frames[i];
        const char *file = frame->file[0] ? frame->file : UNKNOWN_FILE;
        buf_printf(&made, "%s(...)\n\t%s:%u", frame->function, file, frame->line);
        if (i == place->frame_count - 1 && pc > place->entry)
            buf_printf(&made, " +0x%lx", (unsigned long)(pc - place->entry));
        buf_append_byte(&made, '\n');
        is_wait = is_wait && wait_frames_have(frame->function);
        if (is_wait)
            text->wait_size = made.size;
    }
    text->traceback = bytes_of(arena_copy_bytes(&writer->arena, buf_bytes(&made)), made.size);
    buf_deinit(&made);
}

static const struct pc_text *text_of(struct text_writer *writer, const struct stack_key *key, uint32_t position)
{
    bool is_return_address = position > 0 || key->is_parked;
    struct pc_key wanted = {.pc = key->pcs[position], .epoch = key->epoch, .is_return_address = is_return_address};
    struct pc_text *text;
    HASH_FIND(hh, writer->pcs, &wanted, sizeof wanted, text);
    if (!text) {
        text = arena_alloc(&writer->arena, sizeof *text);
        text->key = wanted;
        uintptr_t address = wanted.pc - wanted.is_return_address;
        text->place = symbols_place(writer->symbols, wanted.epoch, address);
        make_lines(writer, text, address);
        make_traceback(writer, text);
        HASH_ADD(hh, writer->pcs, key, sizeof wanted, text);
    }
    return text;
}

void text_write_addresses(struct text_writer *writer, const struct stack_key *key)
{
    buf_append_string(writer->text, " @");
    for (uint32_t i = 0; i < key->depth; i++) {
        /* All are return addresses, so that a reader who steps back into the call finds the first one's place too. */
        uintptr_t pc = key->pcs[i] + (i == 0 && !key->is_parked ? 1 : 0);
        buf_printf(writer->text, " 0x%lx", (unsigned long)pc);
    }
    /* pprof takes no line without an address; a step back from this one is the frame's 0. */
    if (key->depth == 0 && key->function)
        buf_append_string(writer->text, " 0x1");
    buf_append_byte(writer->text, '\n');
}

/* As Go's strconv.Quote. */
static void write_quoted(struct buf *text, const char *value)
{
    static const char escaped[] = "\a\b\f\n\r\t\v\\\"", letters[] = "abfnrtv\\\"";
    struct bytes rest = bytes_of_string(value);
    buf_append_byte(text, '"');
    while (rest.size > 0) {
        uint8_t byte = rest.data[0];
        size_t size = utf8_character_size(rest);
        const char *escape = strchr(escaped, byte);
        if (escape)
            buf_printf(text, "\\%c", letters[escape - escaped]);
        else if (size == 0 || byte < ' ' || byte == 0x7f)
            buf_printf(text, "\\x%02x", byte);
        else
            buf_append(text, rest.data, size);
        size = size > 0 ? size : 1;
        rest = bytes_of(rest.data + size, rest.size - size);
    }
    buf_append_byte(text, '"');
}

void text_write_labels(struct text_writer *writer, const struct stack_key *key)
{
    static const enum label_key by_name[] = {LABEL_API, LABEL_CLIENT_ID, LABEL_REASON, LABEL_THREAD, LABEL_TOPIC};
    _Static_assert(ARRAY_COUNT(by_name) == LABEL_KEY_COUNT, "every label has its place");
    const char *before = "# labels: {";
    for (size_t i = 0; i < ARRAY_COUNT(by_name); i++) {
        const char *value = key->labels[by_name[i]];
        if (!value)
            continue;
        buf_printf(writer->text, "%s\"%s\":", before, label_key_name(by_name[i]));
        write_quoted(writer->text, value);
        before = ", ";
    }
    if (before[0] == ',')
        buf_append_string(writer->text, "}\n");
}

static void append_lines(struct text_writer *writer, const struct line *lines, uint32_t count)
{
    while (writer->line_count + count > writer->line_capacity) {
        writer->line_capacity = writer->line_capacity ? writer->line_capacity * 2 : 128;
        writer->lines = mem_realloc(writer->lines, writer->line_capacity * sizeof *writer->lines);
    }
    memcpy(writer->lines + writer->line_count, lines, count * sizeof *lines);
    writer->line_count += count;
}

/* A cell, and the tabs that carry its reader to the next column. */
static void write_cell(struct buf *text, const char *cell, size_t size, size_t width, size_t column_width)
{
    buf_append(text, cell, size);
    size_t padded = (column_width + PADDING + TAB_WIDTH - 1) / TAB_WIDTH * TAB_WIDTH;
    for (; width < padded; width = (width / TAB_WIDTH + 1) * TAB_WIDTH)
        buf_append_byte(text, '\t');
}

/* Lines one after another that all have a name: a block of columns, as the tabwriter sees it. */
static void write_block(struct buf *text, const struct line *lines, size_t count)
{
    size_t address_width = 0, name_width = 0;
    for (size_t i = 0; i < count; i++) {
        address_width = lines[i].address_size > address_width ? lines[i].address_size : address_width;
        name_width = lines[i].name_width > name_width ? lines[i].name_width : name_width;
    }
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        buf_append_string(text, "#\t");
        write_cell(text, line->address, line->address_size, line->address_size, address_width);
        write_cell(text, line->name, line->name_size, line->name_width, name_width);
        buf_append(text, line->source, line->source_size);
        buf_append_byte(text, '\n');
    }
}

static void write_lines(struct buf *text, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && lines[end].name)
            end++;
        write_block(text, lines + i, end - i);
        if (end < count)
            buf_printf(text, "#\t%s\n", lines[end++].address);
        i = end;
    }
    buf_append_byte(text, '\n');
}

void text_write_frames(struct text_writer *writer, const struct stack_key *key)
{
    writer->line_count = 0;
    for (uint32_t i = 0; i < key->depth; i++) {
        const struct pc_text *text = text_of(writer, key, i);
        append_lines(writer, text->lines, text->line_count);
    }
    if (key->depth == 0) { /* Go's frame of an empty stack is a zero; ours may have something to say */
        struct line line = make_line("0x0", key->function, key->function ? UNKNOWN_FILE ":0" : NULL);
        append_lines(writer, &line, 1);
    }
    write_lines(writer->text, writer->lines, writer->line_count);
}

static void write_sorted(struct text_writer *writer, const struct stack_entry *entries, size_t count,
                         void (*write_head)(struct buf *text, const struct stack_entry *entry))
{
    for (size_t i = 0; i < count; i++) {
        if (stack_entry_is_zero(&entries[i]))
            continue;
        write_head(writer->text, &entries[i]);
        text_write_addresses(writer, &entries[i].key);
        text_write_labels(writer, &entries[i].key);
        text_write_frames(writer, &entries[i].key);
    }
}

void text_write_entries(struct text_writer *writer,
                        void (*write_head)(struct buf *text, const struct stack_entry *entry))
{
    size_t count;
    const struct stack_entry *entries = stack_table_sort(writer->collection->stacks, &count);
    write_sorted(writer, entries, count, write_head);
}

static void write_count(struct buf *text, const struct stack_entry *entry)
{
    buf_printf(text, "%" PRId64, entry->values[0]);
}

void text_write_counts(struct collection *collection, struct buf *text)
{
    size_t count;
    int64_t total = 0;
    const struct stack_entry *entries = stack_table_sort(collection->stacks, &count);
    for (size_t i = 0; i < count; i++)
        total += entries[i].values[0];
    buf_printf(text, "%s profile: total %" PRId64 "\n", collection->type->name, total);
    struct text_writer *writer = text_writer_create(collection, text);
    write_sorted(writer, entries, count, write_count);
    text_writer_destroy(writer);
}

void text_write_traceback(struct text_writer *writer, const struct stack_key *key)
{
    bool is_wait = key->is_parked;
    for (uint32_t i = 0; i < key->depth; i++) {
        const struct pc_text *text = text_of(writer, key, i);
        is_wait = is_wait && i < key->depth - 1; /* the last one is shown in any case */
        size_t hidden = is_wait ? text->wait_size : 0;
        buf_append(writer->text, text->traceback.data + hidden, text->traceback.size - hidden);
        is_wait = is_wait && hidden == text->traceback.size;
    }
    if (key->depth == 0 && key->function)
        buf_printf(writer->text, "%s(...)\n\t" UNKNOWN_FILE ":0\n", key->function);
}

void text_write_creator(struct text_writer *writer, uintptr_t return_address, const char *suffix)
{
    const struct stack_key key = {.epoch = writer->epoch, .depth = 1, .is_parked = true, .pcs = &return_address};
    const struct pc_text *text = text_of(writer, &key, 0);
    const struct symbol_place *place = text->place;
    buf_printf(writer->text, "created by %s%s\n\t%s +0x%lx\n", place ? place->frames[0].function : UNKNOWN_FUNCTION,
               suffix, place ? text->lines[0].source : UNKNOWN_FILE ":0",
               (unsigned long)(return_address - (place ? place->entry : 0)));
}
