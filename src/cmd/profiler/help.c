/* help.c: the manual as text for a terminal. */
#include "cmd/profiler/help.h"

#include "cmd/profiler/manual.h"

#include <string.h>

#define WIDTH 100
#define INDENT 2
#define TEXT_INDENT 18 /* of what explains a term */

struct page {
    struct buf *text;
    size_t column;
    enum manual_kind before; /* the item before this one */
};

static void end_line(struct page *page)
{
    buf_append_string(page->text, "\n");
    page->column = 0;
}

static void go_to(struct page *page, size_t column)
{
    for (; page->column < column; page->column++)
        buf_append_string(page->text, " ");
}

/* The word without its marks; returns how long that is. */
static size_t put_word(struct buf *out, const char *word, size_t length)
{
    size_t before = out->size;
    for (size_t i = 0; i < length; i++) {
        if (strchr("`{}", word[i]) == NULL)
            buf_append_byte(out, (uint8_t)word[i]);
    }
    return out->size - before;
}

/* Words from column `indent` on, with lines broken where they are too long. */
static void put_words(struct page *page, const char *words, size_t indent)
{
    struct buf word;
    buf_init(&word);
    go_to(page, indent);
    for (size_t length; *words != '\0'; words += length + (words[length] == ' ')) {
        length = strcspn(words, " ");
        buf_clear(&word);
        size_t width = put_word(&word, words, length);
        bool is_first = page->column == indent;
        if (!is_first && page->column + 1 + width > WIDTH) {
            end_line(page);
            go_to(page, indent);
        } else if (!is_first) {
            go_to(page, page->column + 1);
        }
        buf_append(page->text, word.data, word.size);
        page->column += width;
    }
    buf_deinit(&word);
}

static void put_lines(struct page *page, const char *lines)
{
    for (size_t length; *lines != '\0'; lines += length + (lines[length] == '\n')) {
        length = strcspn(lines, "\n");
        go_to(page, 2 * INDENT);
        buf_append(page->text, lines, length);
        end_line(page);
    }
}

static void put_item(const struct manual_item *item, void *context)
{
    struct page *page = context;
    bool is_list = item->kind == MANUAL_TERM && page->before == MANUAL_TERM;
    bool is_headed = page->before == MANUAL_SECTION || page->before == MANUAL_SUBSECTION;
    if (!is_list && (!is_headed || item->kind == MANUAL_SECTION))
        end_line(page);
    page->before = item->kind;
    switch (item->kind) {
    case MANUAL_SECTION:
        put_words(page, item->term, 0);
        break;
    case MANUAL_SUBSECTION:
        put_words(page, item->term, INDENT);
        buf_append_string(page->text, ":");
        break;
    case MANUAL_PARAGRAPH:
        put_words(page, item->text, INDENT);
        break;
    case MANUAL_CODE:
        put_lines(page, item->text);
        return;
    case MANUAL_TERM:
        put_words(page, item->term, INDENT);
        if (page->column + 2 > TEXT_INDENT)
            end_line(page);
        go_to(page, TEXT_INDENT);
        put_words(page, item->text, TEXT_INDENT);
        break;
    }
    end_line(page);
}

void help_write(struct buf *text)
{
    struct page page = {.text = text, .before = MANUAL_PARAGRAPH};
    buf_append_string(text, "takhin-profiler: " HELP_PURPOSE ".\n");
    manual_walk(put_item, &page);
}
