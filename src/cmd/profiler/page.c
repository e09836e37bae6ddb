/* page.c: breaks lines between words, on terminals only. */
#include "cmd/profiler/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MIN 40 /* a narrower terminal breaks lines itself */
#define INDENT 4     /* of what goes on, beyond the line's own */

/* 0: lines may be of any width. */
static size_t terminal_width(void)
{
    struct winsize size;
    bool is_terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return is_terminal && size.ws_col >= WIDTH_MIN ? size.ws_col : 0;
}

/* How many bytes of it fit in so many columns: at a space, if there is one behind `start`. */
static size_t fitting(struct bytes line, size_t start, size_t width)
{
    size_t columns = 0, at = 0, space = 0;
    for (; at < line.size; at++) {
        columns += (line.data[at] & 0xc0) != 0x80; /* UTF-8: a character's first byte */
        if (columns > width)
            return space > 0 ? space : at;
        if (line.data[at] == ' ' && at > start)
            space = at;
    }
    return at;
}

static void print_line(struct bytes line, size_t width)
{
    size_t indent = 0;
    while (indent < line.size && line.data[indent] == ' ')
        indent++;
    size_t more = indent + INDENT, size = fitting(line, indent, width);
    fwrite(line.data, 1, size, stdout);
    while (size < line.size) {
        size += line.data[size] == ' ';
        line = bytes_of(line.data + size, line.size - size);
        size = fitting(line, 0, width - more);
        printf("\n%*s%.*s", (int)more, "", (int)size, (const char *)line.data);
    }
    putchar('\n');
}

void page_print(struct bytes text)
{
    size_t width = terminal_width();
    if (width == 0) {
        fwrite(text.data, 1, text.size, stdout);
        return;
    }
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        print_line(bytes_of(text.data, size), width);
        size += end != NULL;
        text = bytes_of(text.data + size, text.size - size);
    }
}
