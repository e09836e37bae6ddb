/* shell.c: what no shell takes for anything but itself stays as it is. */
#include "cmd/profiler/shell.h"

#include <string.h>

void shell_append_word(struct buf *command, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
    size_t size = strlen(text);
    if (size > 0 && strspn(text, plain) == size) {
        buf_append_string(command, text);
        return;
    }
    buf_append_byte(command, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buf_append_string(command, "'\\''");
        else
            buf_append_byte(command, (uint8_t)*text);
    }
    buf_append_byte(command, '\'');
}
