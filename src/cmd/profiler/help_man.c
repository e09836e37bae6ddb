/* help_man.c: the manual as a page for man, in roff: https://man.openbsd.org/man.7 and groff_char(7). */
#include "cmd/profiler/help.h"

#include "cmd/profiler/manual.h"

#include <ctype.h>
#include <string.h>

struct roff {
    struct buf *text;
    bool is_typed;  /* within `...`: what is copied into a shell, to the byte */
    bool is_headed; /* what comes is the first below a title, which is a paragraph anyway */
};

/* A minus, a quote, a hat and a tilde become other characters in print unless they are asked for by name. */
static void put_character(struct roff *roff, char character, bool is_typed)
{
    static const struct {
        char character;
        bool only_typed; /* in prose it may become what print has for it */
        const char *name;
    } names[] = {
        {'\\', false, "\\(rs"}, {'^', false, "\\(ha"}, {'~', false, "\\(ti"}, {'"', false, "\\(dq"},
        {'-', true, "\\-"},     {'\'', true, "\\(aq"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (names[i].character == character && (is_typed || !names[i].only_typed)) {
            buf_append_string(roff->text, names[i].name);
            return;
        }
    }
    buf_append_byte(roff->text, (uint8_t)character);
}

/* A line that begins with a point or a quote is a command to roff; "\&" is nothing at all. */
static void guard_line(struct roff *roff, const char *line)
{
    if (*line == '.' || *line == '\'')
        buf_append_string(roff->text, "\\&");
}

/* A dash in front of a word is that of a flag; one within is a hyphen. */
static bool is_dash_of_flag(const char *text, const char *at)
{
    return *at == '-' && (at == text || strchr(" (\"-", at[-1]) != NULL) && !isspace((unsigned char)at[1]);
}

static void put_text(struct roff *roff, const char *text)
{
    guard_line(roff, text);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '`') {
            roff->is_typed = !roff->is_typed;
            buf_append_string(roff->text, roff->is_typed ? "\\fB" : "\\fR");
        } else if (*at == '{' || *at == '}') {
            buf_append_string(roff->text, *at == '{' ? "\\fI" : "\\fR");
        } else {
            put_character(roff, *at, roff->is_typed || is_dash_of_flag(text, at));
        }
    }
    buf_append_string(roff->text, "\n");
}

static void put_code(struct roff *roff, const char *lines)
{
    buf_append_string(roff->text, ".RS 4\n.nf\n");
    guard_line(roff, lines);
    for (const char *at = lines; *at != '\0'; at++) {
        put_character(roff, *at, true);
        if (*at == '\n')
            guard_line(roff, at + 1);
    }
    buf_append_string(roff->text, "\n.fi\n.RE\n");
}

static void put_item(const struct manual_item *item, void *context)
{
    static const char *const commands[] = {
        [MANUAL_SECTION] = ".SH ",    [MANUAL_SUBSECTION] = ".SS ", [MANUAL_PARAGRAPH] = ".PP\n",
        [MANUAL_TERM] = ".TP\n",      [MANUAL_CODE] = ".PP\n",
    };
    struct roff *roff = context;
    bool begins_paragraph = item->kind == MANUAL_PARAGRAPH || item->kind == MANUAL_CODE;
    if (!begins_paragraph || !roff->is_headed)
        buf_append_string(roff->text, commands[item->kind]);
    roff->is_headed = item->kind == MANUAL_SECTION || item->kind == MANUAL_SUBSECTION;
    if (item->term != NULL)
        put_text(roff, item->term);
    if (item->kind == MANUAL_CODE)
        put_code(roff, item->text);
    else if (item->text != NULL)
        put_text(roff, item->text);
}

void help_write_man(struct buf *text)
{
    struct roff roff = {.text = text};
    buf_append_string(text, ".TH TAKHIN\\-PROFILER 1 \"\" \"takhin " TAKHIN_VERSION "\" \"User Commands\"\n"
                            ".\\\" Ragged right, and no hyphens that nobody wrote.\n.nh\n.ad l\n"
                            ".SH NAME\ntakhin\\-profiler \\- " HELP_PURPOSE "\n");
    manual_walk(put_item, &roff);
}
